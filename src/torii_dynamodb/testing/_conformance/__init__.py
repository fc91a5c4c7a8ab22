"""The tests of the conformance kit. Import them from ``torii_dynamodb.testing.conformance``."""
