"""The existing service beside daemons: its statements in random interleavings, and a checker."""
