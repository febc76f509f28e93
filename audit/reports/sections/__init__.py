"""The sections that the log itself tells. Other rooms bring theirs from where their facts are."""
