"""A route that asks nobody, on Flask."""

from common import NOBODY, announce, signed_in
from flask import Flask

app = Flask(__name__)


@app.get("/me")
def me() -> dict[str, str]:
    return {"id": NOBODY}


announce(signed_in())
