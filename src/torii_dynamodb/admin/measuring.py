"""Measures what each flow consumes: the units behind the estimates of :mod:`torii_dynamodb.admin.cost`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from torii_dynamodb._calls import CallRecord
from torii_dynamodb._rules.hashing import Argon2Hasher
from torii_dynamodb._rules.times import to_text
from torii_dynamodb._sync.services.torii import Torii
from torii_dynamodb._sync.storage.handle import DynamoDbStorage
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.models import NewOAuthAccount, NewSession, NewToken, NewUser
from torii_dynamodb.second_factor import SecondFactorChallenge

__all__ = ["measure"]

_CONSISTENCY = ("strong", "eventual")
_PASSWORD = "correct horse battery staple"


def measure(config: DynamoDbConfig, *, engine: str) -> dict[str, Any]:
    """Run every flow on an engine that counts capacity as AWS does, and return the contents of ``units.json``.

    It creates tables with users, and deletes them at the end.

    Args:
        config: An emulator that counts capacity, with a table prefix used for nothing else.
        engine: The name of the engine, for the record.

    Raises:
        ConfigurationError: Tables with that prefix already exist.
    """
    with AdminTables.open(config) as tables:
        there = [one.name for one in tables.status() if one.status != "MISSING"]
        if there:
            raise Occupied(
                f"tables already exist: {', '.join(there)}. Measuring creates users and deletes the tables afterwards; "
                "give a table_prefix that is used for nothing else (--table-prefix)"
            )
        try:
            return _measured(config, engine)
        finally:
            tables.delete()


def _measured(config: DynamoDbConfig, engine: str) -> dict[str, Any]:
    flows = {mode: _measure(config, consistent=mode == "strong") for mode in _CONSISTENCY}
    return {"engine": engine, "measured": to_text(config.clock())[:10], "layout": config.layout, "flows": flows}


def _measure(config: DynamoDbConfig, *, consistent: bool) -> dict[str, Any]:
    calls: list[CallRecord] = []
    names = {config.table_name(table): table for table in config.tables}
    told: dict[str, Any] = {}
    listening = replace(config, on_call=calls.append, consistent_reads=consistent, session_cleanup="off")
    mode = "strong" if consistent else "eventual"
    email, later = f"{mode}@example.com", config.clock() + timedelta(days=14)
    with DynamoDbStorage.open(listening) as storage:
        # Units are counted in whole kilobytes, so they do not depend on the hasher's cost.
        hasher = Argon2Hasher(memory_cost=64, time_cost=1, parallelism=1)
        torii = Torii(storage, hasher=hasher)

        def run(flow: str, call: Callable[[], Any]) -> Any:
            calls.clear()
            result = call()
            tables: dict[str, list[float]] = {}
            for one in (capacity for record in calls for capacity in record.capacity):
                pair = tables.setdefault(names[one.table], [0.0, 0.0])
                pair[0] += one.read_units
                pair[1] += one.write_units
            told[flow] = {
                "requests": len(calls),
                "read": sum(pair[0] for pair in tables.values()),
                "write": sum(pair[1] for pair in tables.values()),
                "tables": {table: tables[table] for table in config.tables if table in tables},
            }
            return result

        user = run("sign_up", lambda: torii.password.register(email, _PASSWORD, name="Ada"))
        _, session = run("sign_in", lambda: torii.password.authenticate(email, _PASSWORD))
        token = session.token
        run("session_check", lambda: storage.get_signed_in(token))
        run("session_refresh", lambda: storage.refresh_session(token, expires_at=later + timedelta(days=30)))
        run("sign_out", lambda: storage.delete_session(token))
        run("sign_out_everywhere", lambda: storage.delete_sessions_for_user(user.id))
        new_hash = str(storage.get_password_hash(user.id))
        run("password_change", lambda: _change_password(storage, user.id, email, new_hash))
        account = NewOAuthAccount(provider="example", subject=mode)
        storage.create_oauth_account(NewUser(email=f"oauth-{email}"), account)
        run("oauth_sign_in", lambda: _oauth_sign_in(storage, mode, later))
        run("token", lambda: _use_token(storage, user.id, later))
        run("email_code", lambda: _use_code(storage, user.id, later))
        protected = Torii(storage, hasher=hasher, secret=config.random(32), clock=config.clock)
        code = _enrol(protected, user.id, config.clock())
        run("second_factor_sign_in", lambda: _sign_in_twice(protected, email, code))
    return told


def _change_password(storage: Any, user_id: str, email: str, new_hash: str) -> None:
    # What a change reads to verify the old password, and the write.
    credentials = storage.get_credentials_by_email(email)
    storage.set_password_hash(user_id, new_hash, expected_version=credentials.password_version)


def _oauth_sign_in(storage: Any, subject: str, later: Any) -> None:
    user = storage.get_user_by_provider_and_subject("example", subject)
    storage.create_session(NewSession(user_id=user.id, expires_at=later), user=user)


def _use_code(storage: Any, user_id: str, later: Any) -> None:
    code = storage.create_code(NewToken(purpose="magic_link", user_id=user_id, expires_at=later), "01234567")
    storage.try_code(code.token, "01234567", purpose="magic_link")


def _enrol(torii: Torii, user_id: str, now: datetime) -> str:
    """Set up an authenticator app for a user. Returns its next code."""
    from pyotp.totp import TOTP

    user = torii.storage.get_user(user_id)
    assert user is not None
    enrolment = torii.second_factor.begin_enrolment(user)
    app = TOTP(enrolment.secret)
    torii.second_factor.complete_enrolment(user, enrolment.token, app.at(now))
    return app.at(now, counter_offset=1)


def _sign_in_twice(torii: Torii, email: str, code: str) -> None:
    challenge = torii.password.authenticate(email, _PASSWORD)
    assert isinstance(challenge, SecondFactorChallenge)
    torii.second_factor.complete(challenge.token, code)


def _use_token(storage: Any, user_id: str, later: Any) -> None:
    token = storage.create_token(NewToken(purpose="magic_link", user_id=user_id, expires_at=later))
    storage.verify_token(token.token, purpose="magic_link")
