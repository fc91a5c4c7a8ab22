import asyncio
import hashlib
import os

import aiohttp
import orjson


async def main():
    token, prefix = os.environ["TOKEN"], os.environ["PREFIX"]
    user_id = token[len("torii_s1_") :].partition(".")[0]
    keys = {
        f"{prefix}_sessions": {"Keys": [{"id": {"S": hashlib.sha256(token.encode()).hexdigest()}}]},
        f"{prefix}_users": {"Keys": [{"id": {"S": user_id}}]},
    }
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.BatchGetItem",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=0",
    }
    body = orjson.dumps({"RequestItems": keys})
    async with aiohttp.ClientSession() as http, http.post(os.environ["ENDPOINT"], data=body, headers=headers) as answer:
        assert len(orjson.loads(await answer.read())["Responses"]) == 2
        print("ok", flush=True)


asyncio.run(main())
