"""The commands that create, change, lock and delete users, as a person or a script calls them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from typer.testing import CliRunner, Result

from torii_dynamodb import DynamoDbHandle, DynamoDbStorage, NewSession, NewUser, Torii, User
from torii_dynamodb.cli import passwords
from torii_dynamodb.cli.app import app
from torii_dynamodb.cli.support import WrongOption
from torii_dynamodb.cli.users.metadata import merged
from torii_dynamodb.local.engines import LocalEngine

Run = Callable[..., Result]
PASSWORD = "a fine long password"
LOOK = ("users", "show", "ada@mail.example", "--json")


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """The folder of the mailer."""
    return tmp_path / "mails"


@pytest.fixture
def layout() -> str:
    """Five tables; a test that is parametrised with ``layout`` gets the other one, too."""
    return "tables"


@pytest.fixture
def run(dynoxide: LocalEngine, table_prefix: str, layout: str) -> Run:
    """Runs a command against Dynoxide, with its own table prefix."""

    def call(*arguments: str, stdin: str | bytes | None = None, **changes: str | None) -> Result:
        tables = {"TORII_TABLE_PREFIX": table_prefix, "TORII_LAYOUT": layout}
        environment = {**dynoxide.environment, **tables, "COLUMNS": "200", **changes}
        return CliRunner().invoke(app, list(arguments), input=stdin, env=environment)

    return call


@pytest.fixture
def mailing(mails: Path) -> dict[str, str]:
    """The variables with which commands send mail into the folder."""
    return {
        "TORII_MAILER": mails.as_uri().replace("file://", "file:"),
        "TORII_MAIL_SENDER": "no-reply@example.com",
        "TORII_APP_NAME": "Zweibund",
        "TORII_BASE_URL": "https://app.example.com",
    }


@pytest.fixture
def storage(dynoxide: LocalEngine, table_prefix: str, layout: str) -> Iterator[DynamoDbHandle]:
    """The tables that the commands of a test see."""
    with DynamoDbStorage.open(
        dynoxide.config(table_prefix=table_prefix, layout=layout, session_cleanup="off")
    ) as handle:
        yield handle


@pytest.fixture
def ada(storage: DynamoDbHandle) -> User:
    """A user without a password."""
    return storage.create_user(NewUser(email="Ada@mail.example", name="Ada", metadata={"plan": "free", "seats": 2}))


def session_of(storage: DynamoDbHandle, user: User) -> str:
    """The token of a new session."""
    new = NewSession(user_id=user.id, expires_at=datetime.now(UTC) + timedelta(days=1))
    return storage.create_session(new, user=storage.get_user(user.id)).token


def mail_in(folder: Path) -> list[tuple[str, str, str]]:
    """Template, recipient and text of the mails, oldest first."""
    found: list[tuple[str, str, str]] = []
    for path in sorted(folder.glob("*.eml")):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        assert body is not None
        found.append((path.name.split("-")[1], message["To"], body.get_content()))
    return found


def told(done: Result, code: int = 0) -> Any:
    """The JSON of a command."""
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_a_user_is_created_and_the_id_printed(run: Run, storage: DynamoDbHandle) -> None:
    """Standard output is the ID and nothing else; a taken address in any spelling is exit code 6."""
    done = run("users", "create", "Ada@mail.example", "--name", "Ada", "--verified", "--metadata", "plan=pro")
    assert done.exit_code == 0, done.output
    user = storage.get_user(done.stdout.strip())
    assert user is not None
    assert (user.email_as_given, user.name, dict(user.metadata), user.is_email_verified, user.has_password) == (
        "Ada@mail.example",
        "Ada",
        {"plan": "pro"},
        True,
        False,
    )
    again = run("users", "create", "ADA@mail.example")
    assert again.exit_code == 6
    assert "another user has this email address" in again.stderr


def test_a_password_comes_from_standard_input_and_is_never_shown(run: Run, storage: DynamoDbHandle) -> None:
    """The line break at its end does not count; the password is in no output, and it signs in."""
    made = run("users", "create", "ada@mail.example", "--password-stdin", "--json", stdin=f" {PASSWORD} \r\n")
    assert PASSWORD not in made.output
    assert told(made)["user"]["has_password"] is True
    torii = Torii(storage)
    torii.password.authenticate("ada@mail.example", f" {PASSWORD} ")
    done = run("users", "set-password", "ada@mail.example", "--password-stdin", "--yes", stdin="quite another one")
    assert done.exit_code == 0, done.output
    assert "1 session ended" in done.stdout
    assert "tell the owner" in done.stderr
    torii.password.authenticate("ada@mail.example", "quite another one")


@pytest.mark.parametrize(
    ("stdin", "reason"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("one\ntwo\n", "more than one line"),
        (b"\xff\xfe", "not UTF-8"),
        ("x" * 70_000, "longer than"),
        ("password123\n", "most common"),
        ("mail.ada 77\n", "made of your name"),
        ("Zweibund 2026\n", "this application's name"),
        ("short\n", "use 8 to 128"),
    ],
)
def test_a_password_that_cannot_be_used_is_wrong_usage(
    run: Run, storage: DynamoDbHandle, ada: User, stdin: str | bytes, reason: str
) -> None:
    """Exit code 2 with the reason, never with the password; nothing is changed."""
    done = run("users", "set-password", ada.id, "--password-stdin", "--yes", stdin=stdin, TORII_APP_NAME="Zweibund")
    assert done.exit_code == 2, done.output
    assert reason in done.stderr
    word = stdin.strip() if isinstance(stdin, str) else ""
    assert not word or word not in done.output
    assert storage.get_user(ada.id) == ada


def test_without_a_terminal_nothing_is_asked(run: Run, ada: User) -> None:
    """A password is not read from a pipe by accident; a destructive command needs --yes."""
    for arguments, wanted in (
        (["users", "create", "b@mail.example", "--password"], "--password-stdin"),
        (["users", "set-password", ada.id, "--yes"], "--password-stdin"),
        (["users", "set-password", ada.id, "--password-stdin"], "--yes"),
        (["users", "lock", ada.id], "--yes"),
        (["users", "delete", ada.id], "--yes"),
        (["users", "sign-out", ada.id], "--yes"),
        (["users", "update", ada.id, "--email", "b@mail.example"], "--yes"),
        (["users", "update", ada.id, "--email", "b"], "not a valid email address"),
    ):
        done = run(*arguments, stdin=f"{PASSWORD}\n")
        assert done.exit_code == 2, arguments
        assert wanted in done.stderr


def test_on_a_terminal_the_password_is_asked_for_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for twice, without being shown, on standard error."""
    asked: list[dict[str, Any]] = []

    def prompt(text: str, **options: Any) -> str:
        asked.append(options)
        return PASSWORD

    monkeypatch.setattr(typer, "prompt", prompt)
    with pytest.raises(WrongOption, match="no terminal"):
        passwords.read_password(from_stdin=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert passwords.read_password(from_stdin=False) == PASSWORD
    assert asked == [{"hide_input": True, "confirmation_prompt": "The same again", "err": True}]


def test_name_and_metadata_are_changed_and_the_rest_stays(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """Metadata is merged; null removes; an equal value changes nothing; an empty name removes it."""
    done = run("users", "update", ada.id, "--metadata", "plan=pro", "--metadata", '{"seats": null, "a": {"b": 1.5}}')
    assert done.exit_code == 0, done.output
    user = storage.get_user(ada.id)
    assert user is not None
    assert (dict(user.metadata), user.name) == ({"plan": "pro", "a": {"b": 1.5}}, "Ada")
    assert told(run("users", "update", ada.id, "--metadata", "plan=pro", "--json"))["changed"] is False
    assert told(run("users", "update", ada.id, "--name", "", "--json"))["user"]["name"] is None
    for wrong in (
        ["--metadata", "plan"],
        ["--metadata", '{"a": NaN}'],
        ["--metadata", "{"],
        ["--metadata", '{"a":' + "[" * 5000],
        [],
    ):
        assert run("users", "update", ada.id, *wrong).exit_code == 2, wrong


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": "text"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_metadata_is_merged_as_rfc_7396_says(old: Any, patch: Any, new: Any) -> None:
    """The cases of its appendix A that concern objects."""
    assert merged(old, [patch]) == new


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_an_address_is_moved_and_both_mailboxes_are_told(
    run: Run, storage: DynamoDbHandle, ada: User, mailing: dict[str, str], mails: Path
) -> None:
    """The new address is unverified, sessions end, and the new mailbox gets a link."""
    token = session_of(storage, ada)
    done = run("users", "update", ada.id, "--email", "new@mail.example", "--yes", "--json", **mailing)
    assert told(done)["mails"] == [
        {"template": "email_changed", "sent": True, "error": None},
        {"template": "verify_email", "sent": True, "error": None},
    ]
    assert [(template, to) for template, to, _ in mail_in(mails)] == [
        ("email_changed", "Ada@mail.example"),
        ("verify_email", "new@mail.example"),
    ]
    assert storage.get_session(token) is None


def test_verify_removes_what_was_set_up_unless_it_is_kept(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """The question names what goes; --keep keeps it; a second time changes nothing."""
    Torii(storage).password.set_password(ada.id, PASSWORD)
    asked = run("users", "verify", ada.id)
    assert asked.exit_code == 2
    assert "remove the password?" in asked.stderr
    assert told(run("users", "verify", ada.id, "--yes", "--json"))["removed"]["password"] is True
    assert told(run("users", "verify", ada.id, "--json"))["changed"] is False
    bob = storage.create_user(NewUser(email="bob@mail.example"))
    Torii(storage).password.set_password(bob.id, PASSWORD)
    kept = told(run("users", "verify", bob.id, "--keep", "--json"))
    assert (kept["user"]["has_password"], kept["removed"]) == (True, None)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_locking_ends_sessions_and_can_be_repeated(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """lock and unlock say what they did, and do nothing the second time."""
    token = session_of(storage, ada)
    first = told(run("users", "lock", ada.id, "--yes", "--json"))
    assert (first["changed"], first["ended_sessions"]) == (True, 1)
    assert storage.get_session(token) is None
    again = told(run("users", "lock", ada.id, "--json"))
    assert (again["changed"], again["user"]) == (False, first["user"])
    for changed in (True, False):
        assert told(run("users", "unlock", ada.id, "--json"))["changed"] is changed
    assert storage.get_locked_at(ada.id) is None


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_signing_out_ends_one_session_or_all(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """One by its ID, which must be the user's; all without one."""
    tokens = [session_of(storage, ada) for _ in range(3)]
    one = storage.get_session(tokens[0])
    assert one is not None
    assert run("users", "sign-out", ada.id, "--session", one.id).exit_code == 0
    assert run("users", "sign-out", ada.id, "--session", one.id).exit_code == 5
    assert told(run("users", "sign-out", ada.id, "--yes", "--json"))["ended_sessions"] == 2
    assert all(storage.get_session(token) is None for token in tokens)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_deleting_says_what_is_lost(run: Run, storage: DynamoDbHandle, ada: User, mailing: dict[str, str]) -> None:
    """The question lists it; the owner is told; a second time is exit code 5."""
    session_of(storage, ada)
    asked = run("users", "delete", ada.email)
    assert re.search(f"Delete ada@mail.example .{ada.id}., with 1 session\\? This cannot be undone", asked.stderr)
    assert storage.get_user(ada.id) == ada
    done = told(run("users", "delete", ada.email, "--yes", "--json", **mailing))
    assert done["removed"]["sessions"] == 1
    assert [mail["template"] for mail in done["mails"]] == ["account_deleted"]
    assert storage.get_user(ada.id) is None
    assert run("users", "delete", ada.email, "--yes").exit_code == 5


def test_a_reset_is_mailed(run: Run, storage: DynamoDbHandle, ada: User, mailing: dict[str, str], mails: Path) -> None:
    """The link in the mail sets a password; without a mailer it is exit code 2, for a locked account 8."""
    assert run("users", "reset", ada.id).exit_code == 2
    assert run("users", "reset", ada.id, **mailing).exit_code == 0
    ((template, to, text),) = mail_in(mails)
    assert (template, to) == ("reset_password", "Ada@mail.example")
    (token,) = re.findall(r"https://app\.example\.com/auth/reset-password\?token=(\S+)", text)
    Torii(storage).password.complete_reset(token, PASSWORD)
    assert run("users", "lock", ada.id, "--yes").exit_code == 0
    assert run("users", "reset", ada.id, **mailing).exit_code == 8


def test_a_reset_link_is_printed_only_on_request(run: Run, storage: DynamoDbHandle, ada: User, tmp_path: Path) -> None:
    """It leads where the settings file says, works once, and is on standard output alone."""
    file = tmp_path / "mail.toml"
    file.write_text('base_url = "https://app.example.com"\nreset_password_path = "/new#{token}"\n')
    done = run("users", "reset", ada.id, "--print-link", "--mail-settings", str(file))
    start, _, token = done.stdout.strip().partition("#")
    assert start == "https://app.example.com/new"
    assert token not in done.stderr
    Torii(storage).password.complete_reset(token, PASSWORD)
    assert run("users", "reset", ada.id, "--print-link").exit_code == 2


def test_an_invitation_is_mailed(run: Run, mailing: dict[str, str], mails: Path, storage: DynamoDbHandle) -> None:
    """The user is created, and the link chooses the first password; without a mailer nobody is created."""
    assert run("users", "create", "ada@mail.example", "--invite").exit_code == 2
    assert storage.get_user_by_email("ada@mail.example") is None
    assert run("users", "create", "ada@mail.example", "--invite", **mailing).exit_code == 0
    ((template, _, text),) = mail_in(mails)
    (token,) = re.findall(r"token=(\S+)", text)
    assert template == "invitation"
    assert Torii(storage).password.complete_reset(token, PASSWORD).is_email_verified


def test_a_mail_that_fails_is_said(run: Run, storage: DynamoDbHandle, ada: User, mailing: dict[str, str]) -> None:
    """If the mail is the point, the exit code is 1; if it is a notice, the command asks to tell the owner."""
    broken = {**mailing, "TORII_MAILER": "smtp://127.0.0.1:9?security=none"}
    done = run("users", "reset", ada.id, **broken)
    assert done.exit_code == 1
    assert "could not be sent: ConnectionRefusedError" in done.stderr
    done = run("users", "set-password", ada.id, "--password-stdin", "--yes", stdin=PASSWORD, **broken)
    assert done.exit_code == 0
    assert "No mail was sent (ConnectionRefusedError): tell the owner." in done.stderr
    made = run("users", "create", "bob@mail.example", "--invite", **broken)
    assert made.exit_code == 1
    assert storage.get_user(made.stdout.strip()) is not None


@pytest.mark.parametrize(
    ("arguments", "changes", "reason"),
    [
        (["--mailer", "smtp://ops:hush@mail.example"], {}, "TORII_SMTP_PASSWORD"),
        (["--mailer", "smtp://ops@mail.example"], {}, "no password"),
        (["--mailer", "carrier:pigeon"], {}, "give ses:REGION"),
        (["--mailer", "ses:eu-central-1?set=hush"], {}, "give ses:REGION"),
        (["--mailer", "ses:eu-central-1?configuration_set=a%20b"], {}, "configuration_set"),
        (["--mailer", "smtp://host:port"], {}, "not a valid URL"),
        (["--mailer", "smtp://host/?security=hush"], {}, "only ?security=none"),
        (["--mailer", "smtp://ops@host?security=none"], {"TORII_SMTP_PASSWORD": "hush"}, "without TLS"),
        ([], {"TORII_BASE_URL": None}, "--base-url"),
        ([], {"TORII_BASE_URL": "http://app.example.com"}, "https://"),
        ([], {"TORII_MAIL_SENDER": "nobody"}, "sender"),
        (["--mail-settings", "{folder}/unknown.toml"], {}, "no option 'sendr'"),
        (["--mail-settings", "{folder}/broken.toml"], {}, "not valid TOML"),
        (["--mail-settings", "{folder}/none.toml"], {}, "none.toml"),
    ],
)
def test_mail_that_is_set_up_wrongly_is_wrong_usage(
    run: Run, mailing: dict[str, str], tmp_path: Path, arguments: list[str], changes: dict[str, str], reason: str
) -> None:
    """Exit code 2 and the option's name, without a secret, before anything is asked of DynamoDB."""
    (tmp_path / "unknown.toml").write_text('sendr = "hush"\n')
    (tmp_path / "broken.toml").write_text('mailer = "hush\n')
    given = [one.format(folder=tmp_path) for one in arguments]
    environment = {**mailing, "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9", **changes}
    done = run("users", "reset", "ada@mail.example", *given, **environment)
    assert done.exit_code == 2, done.output
    assert reason in done.stderr
    assert "hush" not in done.output


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_users_are_searched_by_name_and_address(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """What was looked at and what it cost is said; the next step continues where this one ended."""
    for number in range(150):
        storage.create_user(NewUser(email=f"user{number}@mail.example", name=f"Person {number}"))
    done = run("users", "search", "ada")
    assert ada.id in done.stdout
    assert re.search(r"Looked at 151 users for [\d.]+ read units: 1 match\.", done.stdout)
    first = told(run("users", "search", "person", "--most", "100", "--json"))
    assert first["looked_at"] == 100
    assert first["read_units"] > 0
    second = told(run("users", "search", "person", "--cursor", first["next_cursor"], "--json"))
    assert second["next_cursor"] is None
    assert len({user["id"] for page in (first, second) for user in page["users"]}) == 150
    for command in ("list", "search x"):
        done = run("users", *command.split(), "--cursor", ada.id)
        assert done.exit_code == 2
        assert "give what the previous page printed" in done.stderr


def test_the_owner_is_told_of_removed_factors(
    run: Run, storage: DynamoDbHandle, ada: User, mailing: dict[str, str], mails: Path
) -> None:
    """`second-factors remove` sends the mail where one is configured."""
    storage.set_recovery_codes(ada.id, ["mark"])
    done = run("users", "second-factors", "remove", ada.id, "--all", "--yes", **mailing)
    assert done.exit_code == 0, done.output
    assert [template for template, _, _ in mail_in(mails)] == ["second_factors_removed"]
    assert "No mail" not in done.stderr


def test_the_commands_on_the_page_run(run: Run, storage: DynamoDbHandle, mailing: dict[str, str]) -> None:
    """Each of the first block, in the order of the page."""
    assert storage is not None
    page = (Path(__file__).parents[3] / "docs" / "admin" / "people.md").read_text(encoding="utf-8")
    block = page.partition("```console\n")[2].partition("```")[0]
    commands = re.findall(r"^\$ torii-dynamodb (.*?)(?:\s+#.*)?$", block, re.MULTILINE)
    assert len(commands) == 12
    for command in commands:
        line, piped, _ = command.partition(" < ")
        done = run(*shlex.split(line), stdin=PASSWORD if piped else None, **mailing)
        assert done.exit_code == 0, f"{command}: {done.output}"


def test_mail_goes_out_by_ses(moto_engine: LocalEngine, run: Run, ada: User, mailing: dict[str, str]) -> None:
    """The URL names the Region; SES's refusal of an unverified sender is said, and a verified one sends."""
    there = {**mailing, "TORII_MAILER": "ses:eu-central-1", "AWS_ENDPOINT_URL_SESV2": moto_engine.endpoint_url}
    refused = run("users", "reset", ada.id, **(there | {"TORII_MAIL_SENDER": f"{ada.id}@elsewhere.example"}))
    assert refused.exit_code == 1
    ses: Any = boto3.client(
        "sesv2",
        region_name="eu-central-1",
        endpoint_url=moto_engine.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    ses.create_email_identity(EmailIdentity="example.com")
    assert run("users", "reset", ada.id, **there).exit_code == 0


def test_a_tenants_commands_see_and_change_only_its_users(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """With --tenant or TORII_TENANT, the same address is another user, and the printed advice names the tenant."""
    created = run("users", "create", ada.email, "--tenant", "acme", "--verified", "--json")
    theirs = json.loads(created.stdout)["user"]
    assert theirs["id"] != ada.id
    acme = {"TORII_TENANT": "acme"}
    assert json.loads(run(*LOOK, **acme).stdout)["id"] == theirs["id"]
    assert json.loads(run(*LOOK).stdout)["id"] == ada.id
    acmes = storage.tenant("acme").get_user(theirs["id"])
    assert acmes is not None
    session_of(storage.tenant("acme"), acmes)
    assert "has 1 session" in run("sessions", "list", ada.email, **acme).stdout
    assert "has no sessions" in run("sessions", "list", ada.email).stdout
    assert run("users", "delete", ada.email, "--tenant", "acme", "--yes").exit_code == 0
    assert "no user ada@mail.example in the tenant acme" in run(*LOOK, **acme, stdin="").stderr
    assert storage.get_user(ada.id) == ada
    advice = run("users", "sign-out", ada.id, "--session", "ses_1", "--tenant", "other").stderr
    assert "in the tenant other" in advice


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("users", "list", "--tenant", "ACME"), "--tenant: 'ACME' is not a tenant's name"),
        (("users", "list", "--tenant", ""), "--tenant: '' is not a tenant's name"),
        (("tables", "ensure", "--tenant", "acme"), "--tenant: this command is not about the users of one tenant"),
    ],
)
def test_a_wrong_tenant_is_refused(run: Run, arguments: tuple[str, ...], told: str) -> None:
    """What is not a tenant's name, and a command that knows no tenants, are refused before anything is requested."""
    done = run(*arguments)
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
