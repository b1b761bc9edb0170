"""The shared language, the log and its proofs, the registry."""
