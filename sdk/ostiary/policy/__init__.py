"""May they: the one policy engine, used by the server and by services that decide for themselves.

Owns: the values of a question and its answer, the annotations that policies carry, Cedar behind a rule that fails
closed, the search for a step-up that would turn a deny into an allow.
Leaves to others: where policies and facts come from, what a session or a page does with an answer.

Needs the extra `ostiary[policy]`; nothing outside this package imports Cedar.
"""
