"""The weights that ship: encoder constants, the style encoder, and what calibration measured."""
