"""The conformance kit: one class a Protocol of the contract. Import it from ``torii_dynamodb.testing.conformance``."""
