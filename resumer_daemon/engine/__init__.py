"""The pure half: what a definition and an answer come to."""
