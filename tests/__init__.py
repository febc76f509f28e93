"""The tests: a mirror of the packages, plus flows, contract, browser and faults.

Owns: the services that tests run against, and what every test may ask for (`conftest.py`).
Leaves: nothing to chance: a missing service fails the run.
"""
