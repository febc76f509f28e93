"""The tests of `identity/`."""
