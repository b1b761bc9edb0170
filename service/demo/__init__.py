"""A made-up month, small enough to watch and large enough to mean something."""
