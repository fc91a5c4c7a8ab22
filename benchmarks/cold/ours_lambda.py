import os
import sys
from pathlib import Path

os.environ.update(
    AWS_ENDPOINT_URL_DYNAMODB=os.environ["ENDPOINT"], TABLE_PREFIX=os.environ["PREFIX"], TORII_SECRET="s" * 32
)
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "aws_lambda"))

from handler import handler

event = {
    "version": "2.0",
    "rawPath": "/hello",
    "headers": {"authorization": f"Bearer {os.environ['TOKEN']}"},
    "requestContext": {"http": {"method": "GET", "path": "/hello"}},
}
assert handler(event, None)["statusCode"] == 200
print("ok", flush=True)
