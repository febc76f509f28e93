"""Links that people get by mail or from an administrator: joining, verifying an address, getting back in, "not me".

Owns: these links, their pages, and what each of them changes.
Leaves: the letters that carry them to `identity.mail`, proving oneself to `identity.signin`.
"""
