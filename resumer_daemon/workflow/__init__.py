"""The workflow language: definitions, conditions, templates."""
