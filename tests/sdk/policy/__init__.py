"""The policy engine of the SDK."""
