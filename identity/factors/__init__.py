"""What proves a person beside a password: authenticator apps, passkeys, backup codes, mailed codes.

Owns: enrolling, proving and removing them, and their pages in a sign-in.
Leaves: which of them is asked for to `policy`, what a proof leads to to `identity.signin`.
"""
