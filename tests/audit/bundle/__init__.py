"""Tests of log bundles."""
