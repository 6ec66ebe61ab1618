"""The HTTP interface: health, metrics and commands."""
