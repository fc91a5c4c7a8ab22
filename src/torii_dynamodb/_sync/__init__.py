# Generated from src/torii_dynamodb/_async/__init__.py by tools/unasync.py. Do not edit.

