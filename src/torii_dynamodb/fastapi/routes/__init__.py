"""The JSON routes, one module a way to sign in."""
