"""Finding events: those about one person, and all of them by any filter."""
