"""The registry: parties, recordings, works, shares, grants, models, tracks, as a projection of the log."""
