"""The authorizer of the API: checks the session at every request, with one request to DynamoDB."""

from __future__ import annotations

import os

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, Torii
from torii_dynamodb.aws_lambda import Authorizer

storage = DynamoDbStorage().initialize(DynamoDbConfig(table_prefix=os.environ["TABLE_PREFIX"], create_tables=False))
handler = Authorizer(Torii(storage), transports=("bearer",))
