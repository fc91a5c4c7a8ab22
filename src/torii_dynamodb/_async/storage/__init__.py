"""The storage on DynamoDB, one module a domain."""
