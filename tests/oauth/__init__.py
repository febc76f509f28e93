"""The protocol engine, endpoint by endpoint, on both databases."""
