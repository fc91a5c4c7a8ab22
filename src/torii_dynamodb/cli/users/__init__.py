"""``torii-dynamodb users``: one module for each theme; this one puts the commands together."""

from __future__ import annotations

from torii_dynamodb.cli.support import new_group
from torii_dynamodb.cli.users import access, editing, finding, moving, second_factors

__all__ = ["app"]

app = new_group("Create, find, change, lock, delete and move users.")
app.command("show")(finding.show_user)
app.command("list")(finding.list_users)
app.command("search")(finding.search_users)
app.command("create")(editing.create)
app.command("update")(editing.update)
app.command("verify")(editing.verify)
app.command("lock")(access.lock)
app.command("unlock")(access.unlock)
app.command("set-password")(access.set_password)
app.command("reset")(access.reset)
app.command("sign-out")(access.sign_out)
app.command("delete")(editing.delete)
app.command("import")(moving.import_users)
app.command("export")(moving.export_users)
app.add_typer(second_factors.app, name="second-factors")
