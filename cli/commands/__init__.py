"""One module a room; each holds thin commands and nothing else."""
