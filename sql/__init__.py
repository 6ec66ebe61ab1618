"""Statements, one a file, run by `store/`."""
