"""Mutants: copies of the project with one deliberate fault each, which named tests must notice."""
