"""The evaluation of the score: its reader, its figures, the baseline and the made-up worlds."""
