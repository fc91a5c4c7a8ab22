"""User accounts for a Flask application. Run it with ``flask run --debug`` and open http://localhost:5000."""

from __future__ import annotations

import os

from flask import Flask, redirect, render_template, request
from werkzeug.wrappers import Response

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb.flask import (
    PagesConfig,
    ToriiFlask,
    WebConfig,
    current_user,
    login_required,
    logout,
    recent_required,
    second_factor_required,
)
from torii_dynamodb.mail import ConsoleMailer, MailSettings
from torii_dynamodb.passkeys import PasskeySettings

URL = os.environ.get("BASE_URL", "http://localhost:5000")

app = Flask(__name__)
torii = ToriiFlask(
    app,
    DynamoDbConfig(table_prefix=os.environ.get("TABLE_PREFIX", "torii")),
    secret=os.environ["TORII_SECRET"],  # 32 random bytes that stay the same, for known browsers and second factors
    mailer=ConsoleMailer(),  # later: SmtpMailer("smtp.example.com", username=..., password=...)
    mail=MailSettings(sender="no-reply@example.com", app_name="Example", base_url=URL),
    passkeys=PasskeySettings(rp_id="localhost", rp_name="Example", origins=[URL]),
    web=WebConfig(base_url=URL, secure_cookies=URL.startswith("https:")),
    pages=PagesConfig(app_name="Example"),
)
NOTES: dict[str, list[str]] = {}  # by user; your application has a table


@app.get("/")
def home() -> str:
    return render_template("home.html")


@app.get("/notes")
@login_required
def notes() -> str:
    return render_template("notes.html", notes=NOTES.get(current_user.user.id, []))


@app.post("/notes")
@login_required
def add_note() -> Response:
    NOTES.setdefault(current_user.user.id, []).append(request.form["text"][:200])
    return redirect("/notes", 303)


@app.post("/notes/delete")
@recent_required
def delete_notes() -> Response:
    NOTES.pop(current_user.user.id, None)
    return redirect("/notes", 303)


@app.get("/vault")
@second_factor_required
def vault() -> str:
    return render_template("vault.html")


@app.post("/leave")
def leave() -> Response:
    logout()
    return redirect("/", 303)
