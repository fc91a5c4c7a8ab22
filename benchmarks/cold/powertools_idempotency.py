import json
import os

import boto3
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent


class Context:
    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis():
        return 30_000


client = boto3.client("dynamodb", endpoint_url=os.environ["ENDPOINT"])
store = DynamoDBPersistenceLayer(table_name=os.environ["PREFIX"] + "_store", boto3_client=client)


@idempotent(persistence_store=store, config=IdempotencyConfig())
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"hello": event["id"]})}


assert handler({"id": os.urandom(8).hex()}, Context())["statusCode"] == 200
print("ok", flush=True)
