"""The controls pages: what SOC 2 and PCI DSS 4 ask of an identity server, and what this deployment can show for it.

Owns: the checks (each a query anybody can run again), the list of controls of each framework in our own words, what
lies outside this server, and the sections of the report `controls`.
Leaves: the judgement to whoever reads it. A check says what the records show, never that a standard is met.
"""
