"""Checks of a definition before it runs."""
