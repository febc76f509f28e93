"""The demo at `/demo`: a small application that signs people in here, and a small API that asks who is calling.

Owns: its registration, its visitors' tokens in memory, its pages, its API.
Leaves: everything that it shows to the server itself; it is a client like any other, by Authlib, and its API is
guarded by the SDK.
"""
