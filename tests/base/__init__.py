"""Tests of what knows nothing of the domain."""
