"""Witnessing, from both sides: being a witness, and asking for cosignatures."""
