"""Encoders: a clip's spectra in, one unit vector for each segment of it out."""
