import os

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage

config = DynamoDbConfig(endpoint_url=os.environ["ENDPOINT"], table_prefix=os.environ["PREFIX"], create_tables=False)
with DynamoDbStorage.open(config) as storage:
    found = storage.get_signed_in(os.environ["TOKEN"])
    assert found is not None
    print("ok", flush=True)
