"""The log as its operator works with it."""
