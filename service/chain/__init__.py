"""Settlement on a chain, joined to the workspace."""
