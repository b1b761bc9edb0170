"""Who may use the HTTP service: access keys that belong to parties, and the roles that follow from the log."""
