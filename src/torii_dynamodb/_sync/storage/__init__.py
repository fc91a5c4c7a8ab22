# Generated from src/torii_dynamodb/_async/storage/__init__.py by tools/unasync.py. Do not edit.

"""The storage on DynamoDB, one module per domain."""
