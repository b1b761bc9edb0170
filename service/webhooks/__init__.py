"""Webhooks: signed messages to an address that a caller named, sent without becoming a way into our own network."""
