"""The rules that ship with the engine; each is an entry point in the group `settle.rules`, as yours can be."""
