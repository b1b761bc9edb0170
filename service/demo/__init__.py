"""The demo: an invented month, played with Settle's own commands."""
