"""Accounts for a FastAPI application. Run it with ``uvicorn app:app`` and open /docs."""

from fastapi import Depends, FastAPI

from torii_dynamodb import AsyncTorii, DynamoDbConfig, User
from torii_dynamodb.fastapi import WebConfig, dynamodb, router
from torii_dynamodb.mail import AsyncConsoleMailer, MailSettings

mail = MailSettings(sender="no-reply@example.com", app_name="Example", base_url="http://localhost:8000")
torii = AsyncTorii(dynamodb(DynamoDbConfig()), mailer=AsyncConsoleMailer(), mail=mail)
auth = router(torii, config=WebConfig(secure_cookies=False))  # for http://localhost; behind https: router(torii)
app = FastAPI()
app.include_router(auth)


@app.get("/hello")
async def hello(user: User = Depends(auth.current_user)) -> str:
    return f"Hello {user.name or user.email}"
