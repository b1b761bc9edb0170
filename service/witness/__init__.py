"""Witnessing: run a witness, and ask witnesses for cosignatures."""
