"""The on-chain pool and the client that drives it."""
