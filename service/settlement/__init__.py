"""Settling a month: closed, calculated, approved, published, paid, corrected."""
