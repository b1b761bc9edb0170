"""The commands, one module per area; each module contains thin commands only."""
