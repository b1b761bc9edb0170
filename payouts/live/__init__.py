"""What an open month comes to so far, and money paid on account of it."""
