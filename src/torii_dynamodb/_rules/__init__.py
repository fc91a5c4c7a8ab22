"""Decisions that need no storage: what is a valid address, password, session, token, answer of a provider."""
