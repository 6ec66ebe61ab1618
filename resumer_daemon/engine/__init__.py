"""The engine: pure decisions, without clock, network or database."""
