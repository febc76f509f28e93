"""Examples that every implementation of the feed is held to; `python -m feed.vectors` writes docs/feed-vectors.json.

Owns: one log, its heads, and what a follower must make of them. The expected outcomes are written down, not computed.
Leaves: the protocol's rules to docs/feed.md, and the server's own part of them to `feed`.
"""
