"""Tests of the letters: their words, the outbox, and the way to a mail server."""
