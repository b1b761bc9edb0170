"""Shared types, the log and its proofs, the registry."""
