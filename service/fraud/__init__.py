"""Fraud: find listeners who behave like machines, for a person to check."""
