"""Authentication you own, on DynamoDB."""
