"""Letters to people: promised in the transaction of what they tell, sent once, by whoever claims them.

Owns: the outbox, the letters' texts, sending, and the notices that say "this was not me".
Leaves: what a link in a letter does to `identity.recovery`.
"""
