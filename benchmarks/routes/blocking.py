"""What our applications on Flask and Django share."""

import os

from common import ENDPOINT, announce, signed_in

from torii_dynamodb import DynamoDbConfig, NewUser, Torii
from torii_dynamodb.fastapi import WebConfig

STORAGE = DynamoDbConfig(endpoint_url=ENDPOINT, table_prefix="route")
SECRET = "s" * 32
WEB = WebConfig(registration="direct")


def seed(torii: Torii) -> None:
    """Create a user and a session, and announce the header to send."""
    user = torii.storage.create_user(NewUser(email=f"{os.getpid()}@example.com", name="Ada Lovelace"))
    announce(signed_in(torii.create_session(user).token))
