"""Royalty statements: what a rights holder receives, as values, text, HTML and PDF."""
