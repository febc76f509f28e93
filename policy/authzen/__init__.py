"""AuthZEN 1.0 (OpenID Authorization API 1.0) without its transport: what is asked, and how it is answered.

Owns: reading requests, evaluations in one message with their three semantics, pages of searches, metadata.
Leaves: who may ask, what is known of people and services, and deciding, all of which are handed in.
"""
