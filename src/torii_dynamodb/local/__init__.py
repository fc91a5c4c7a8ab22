"""Engines on this machine: for development, the demo and tests."""
