"""The industry's file formats: pure codecs between our values and the files of banks and others."""
