"""Tests of the gateway adapter: what is asked for, who may pass, and each real proxy before two toy services."""
