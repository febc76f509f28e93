"""Whole ways through the server: races, gates, and independent clients."""
