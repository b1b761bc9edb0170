"""Statements of a month, their explanations, and their proofs."""
