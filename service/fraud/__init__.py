"""Fraud: which listeners behave like machines, for a person to look at."""
