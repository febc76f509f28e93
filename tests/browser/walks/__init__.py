"""Owns: the walk through every page that a person can meet. Leaves: what is done at each page, to who asks for it."""
