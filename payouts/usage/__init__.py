"""From stream events to usage rows: how often each track was played, grouped by what its money depends on."""
