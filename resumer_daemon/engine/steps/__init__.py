"""The step types."""
