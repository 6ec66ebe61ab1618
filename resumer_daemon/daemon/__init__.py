"""The running daemon: the composition root, the worker, the listener, the background tasks."""
