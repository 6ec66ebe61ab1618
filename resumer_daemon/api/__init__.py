"""The HTTP interface: health, metrics, control."""
