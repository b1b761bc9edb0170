"""Invented music and training scripts. Attribution itself does not need them."""
