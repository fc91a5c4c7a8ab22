"""Shipped help for tests: the conformance kit, an in-memory storage, local engines."""
