# Generated from src/torii_dynamodb/testing/_async/__init__.py by tools/unasync.py. Do not edit.

"""The asynchronous source of what has a synchronous twin."""
