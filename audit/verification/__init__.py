"""Whether the log is what it was: every row, hash and checkpoint looked at, the first bad place named."""
