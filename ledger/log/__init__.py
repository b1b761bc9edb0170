"""Everything that reads or writes the log on disk: append, anchor, store, check, recover, export, prune."""
