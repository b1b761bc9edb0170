"""Turn stream events into usage rows: streams per track, grouped by everything that changes their division."""
