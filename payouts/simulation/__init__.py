"""Compares payout rules on the same usage."""
