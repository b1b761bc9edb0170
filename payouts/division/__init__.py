"""Divides the pool among owner groups: weights, caps and lines."""
