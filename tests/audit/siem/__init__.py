"""Tests of what other systems are sent."""
