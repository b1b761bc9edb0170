"""The checks before a request is answered: identity, permission, limits, and the form of a refusal."""
