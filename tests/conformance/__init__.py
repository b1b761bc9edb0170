"""Our functions against vectors, formats and programs made by others."""
