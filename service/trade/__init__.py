"""Papers of the trade: pure codecs between our values and the files that banks and others exchange."""
