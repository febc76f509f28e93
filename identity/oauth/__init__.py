"""OAuth 2 and OpenID Connect: one file an endpoint, the proofs that cross them one file each.

Owns the protocol; leaves sign-in pages to `identity/signin/`, and signing and revoking to the files beside this folder.
"""
