"""Tests mirror the packages; each says in one sentence what would be broken if it failed."""
