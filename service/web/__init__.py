"""HTTP: pages, and the verifier that runs in a browser."""
