"""What people are told of a month, and what proves it to them."""
