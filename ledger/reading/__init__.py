"""The one reading of a log: who wrote each leaf, whether they might, and what the leaves add up to. Pure."""
