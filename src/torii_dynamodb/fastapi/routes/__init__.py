"""The JSON routes, with a module for each way to sign in."""
