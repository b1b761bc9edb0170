"""Common Works Registration (CWR) 2.1 and 2.2: works and who collects for them, read; acknowledgements, written."""
