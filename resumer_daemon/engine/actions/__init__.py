"""The actions of an `execute` list."""
