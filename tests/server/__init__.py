"""Tests of the whole: settings, edge, operations, command line."""
