"""Tests of the controls pages."""
