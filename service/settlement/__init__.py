"""Settle a month: close, run, approve, publish, pay, correct."""
