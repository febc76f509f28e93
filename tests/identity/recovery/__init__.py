"""Tests of the pages behind links: asking for one, what it does, and that it does it once."""
