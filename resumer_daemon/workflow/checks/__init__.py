"""What can be told of a definition before it runs, one subject a module."""
