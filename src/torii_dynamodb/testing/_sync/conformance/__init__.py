# Generated from src/torii_dynamodb/testing/_async/conformance/__init__.py by tools/unasync.py. Do not edit.

"""The conformance kit: one class a Protocol of the contract. Import it from ``torii_dynamodb.testing.conformance``."""
