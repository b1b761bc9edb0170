"""The reading of a log: check the author of each leaf, then fold the leaves into state. Pure."""
