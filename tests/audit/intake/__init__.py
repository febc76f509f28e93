"""Tests of what other services send."""
