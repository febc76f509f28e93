"""Second factors: the rules, what is stored, and the pages."""
