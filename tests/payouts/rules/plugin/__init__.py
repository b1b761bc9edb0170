"""A plug-in package as somebody else would write it; built and installed by the tests."""
