"""Tests of the client SDK: the verifier's rules, its keys, its guard and its test kit."""
