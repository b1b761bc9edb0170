"""DDEX digital sales reports (DSR) of the basic audio profile, read into stream events."""
