"""What the routes answer: one module per room."""
