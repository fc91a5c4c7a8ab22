"""Decisions without I/O: keys, codecs, rules, and the requests that each operation sends."""
