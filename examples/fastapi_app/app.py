"""User accounts for a FastAPI application. Run it with ``uvicorn app:app`` and open /auth/sign-up."""

import os

from fastapi import Depends, FastAPI

from torii_dynamodb import AsyncTorii, DynamoDbConfig, User
from torii_dynamodb.fastapi import WebConfig, dynamodb, router
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.mail import AsyncConsoleMailer, MailSettings
from torii_dynamodb.passkeys import PasskeySettings

mail = MailSettings(sender="no-reply@example.com", app_name="Example", base_url="http://localhost:8000")
passkeys = PasskeySettings(rp_id="localhost", rp_name="Example", origins=["http://localhost:8000"])
secret = os.environ["TORII_SECRET"]  # 32 random bytes that stay the same, for known browsers and second factors
torii = AsyncTorii(dynamodb(DynamoDbConfig()), secret=secret, passkeys=passkeys, mailer=AsyncConsoleMailer(), mail=mail)
auth = router(torii, config=WebConfig(secure_cookies=False))  # False is for http://localhost
app = FastAPI()
app.include_router(auth)
app.include_router(pages(auth.web, PagesConfig(app_name="Example")))


@app.get("/")
async def hello(user: User = Depends(auth.current_user)) -> str:
    return f"Hello {user.name or user.email}"
