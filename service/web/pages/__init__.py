"""Pages for people without an account: drawn on the server, without scripts, from what anybody may read."""
