"""The registry's commands joined to the workspace."""
