"""Connects the packages: the workspace, its commands' functions, and long-running processes."""
