"""Money while it plays: what an open month comes to so far, and payments on account of it."""
