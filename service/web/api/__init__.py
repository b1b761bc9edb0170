"""The functions of the routes: one module per area."""
