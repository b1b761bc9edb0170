"""The catalogue of recordings and its search tables."""
