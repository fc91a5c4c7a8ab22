"""The storage on DynamoDB, one module per domain."""
