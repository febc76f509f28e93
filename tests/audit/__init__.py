"""Events: how they are made, kept and declared."""
