"""From files of stream events to acknowledged entries: read, check, bind, append, quarantine."""
