"""torii-dynamodb: `@login_required` and `current_user`, on Flask."""

from blocking import SECRET, STORAGE, WEB, seed
from flask import Flask

from torii_dynamodb.flask import ToriiFlask, current_user, login_required

app = Flask(__name__)
torii = ToriiFlask(app, STORAGE, secret=SECRET, web=WEB)


@app.get("/me")
@login_required
def me() -> dict[str, str]:
    return {"id": current_user.user.id}


seed(torii.services)
