"""What others' specifications and certification plans ask, one named test a line."""
