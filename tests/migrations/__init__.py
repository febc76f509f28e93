"""How a database comes to its schema and back."""
