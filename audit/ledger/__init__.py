"""The ledger: numbers, the Merkle tree over the events, and the signed checkpoints that leave the database."""
