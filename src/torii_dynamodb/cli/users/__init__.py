"""``torii-dynamodb users``: one module for each theme; this one puts the commands together."""

from __future__ import annotations

from torii_dynamodb.cli.support import new_group
from torii_dynamodb.cli.users import finding, second_factors

__all__ = ["app"]

app = new_group("Look users up, and remove second factors that they lost.")
app.command("show")(finding.show_user)
app.command("list")(finding.list_users)
app.add_typer(second_factors.app, name="second-factors")
