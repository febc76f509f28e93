"""Events that other services send: their form, and how they are taken in once."""
