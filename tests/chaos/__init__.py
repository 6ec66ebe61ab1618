"""Chaos: daemons are killed and stopped, the database restarted, and a checker says what it did."""
