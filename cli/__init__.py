"""The `settle` command: thin commands, one renderer."""
