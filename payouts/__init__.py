"""Usage, rule, exact allocation, statements, journal."""
