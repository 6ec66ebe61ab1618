"""Definitions that are worth reading; `dev` runs the first of them."""
