"""Events with their proofs in one file, which an outsider verifies without a database or a key."""
