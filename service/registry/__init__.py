"""The registry's commands in a workspace."""
