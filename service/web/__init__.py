"""HTTP: one table of routes with what guards and answers them, and the verifier that runs in a browser."""
