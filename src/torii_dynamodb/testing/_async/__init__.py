"""The asynchronous source of what has a synchronous twin."""
