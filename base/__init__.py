"""What knows nothing of sign-in, risk, policy or audit, and could serve another product.

Owns: clock, ids and secrets, errors, database engine, cache, envelope encryption, rate limits, request facts
(client address, forms, cookies), guarded outbound HTTP, mail, leader lease, sequencer.
Leaves: every rule about people, clients and tokens to the rooms above; it imports none of them.
"""
