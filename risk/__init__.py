"""How sure are we: a score from 0 to 100 with its reasons.

Owns: signals, device fingerprint evidence, geography, factors, the score, its history and its evaluation on datasets.
Leaves: what follows from a score to `policy`, and who the person is to `identity`.
"""
