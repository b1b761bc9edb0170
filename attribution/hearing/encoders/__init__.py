"""Encoders: turn a clip's spectra into one unit vector per segment."""
