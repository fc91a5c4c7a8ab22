"""Bad input on every public method: a typed error, before any request, and nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import ItemTooLarge, ToriiError, ValidationError
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import (
    MAGIC_LINK,
    Factor,
    LockoutPolicy,
    NewFactor,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    User,
)
from torii_dynamodb.testing._conformance.base import Conformance, clause, fresh, new_address, new_hash
from torii_dynamodb.testing._conformance.importing import new_import
from torii_dynamodb.testing._conformance.oauth import new_account, new_state, new_verifier
from torii_dynamodb.testing._conformance.passkeys import new_challenge, new_credential_id

__all__ = ["BadInputConformance"]

LONG = "x" * 2049
SURROGATE = "\ud800"
NO_TEXT: list[Any] = [None, 1, b"bytes", ["list"]]

IDS: list[Any] = [*NO_TEXT, "", "a" * 65, LONG, "ü", "a b", "a.b", "a#b", "a/b", "a\n", "\x00", SURROGATE, "\uff41"]
EMAILS: list[Any] = [
    *NO_TEXT,
    *("", "   ", "x", "@example.com", "x@", "x@@example.com", "a b@example.com", "a@exa mple.com", "a@example..com"),
    *("ü@example.com", "\u212a@example.com", "a\x00@example.com", "a\nb@example.com", "a@example.com\nb", SURROGATE),
    *(f"{SURROGATE}@example.com", f"a@{SURROGATE}.com", "a@-example.com", '"a b"@example.com', "a@[127.0.0.1]"),
    *("a@example.com, b@example.com", "A <a@example.com>", f"a@{'b' * 250}.com", LONG),
]
NAMES: list[Any] = [1, b"x", ["x"], "", "x" * 257, LONG, "a\x00b", "a\nb", "\x7f", SURROGATE]
HASHES: list[Any] = [
    1,
    b"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
    *("", "correct horse battery staple", "$short", "$" + LONG, "$argon2id$ü" + "x" * 30, "$argon2id$ a b c d e f"),
    *("$argon2id$\x00abcdefghijkl", "$argon2id$abcdefghijkl\n", "$argon2id$abcdefghij" + SURROGATE),
]
FLAGS: list[Any] = [1, 0, "yes", "", [], 1.0]
MOMENTS: list[Any] = [
    None,
    1_800_000_000,
    "2030-01-01T00:00:00Z",
    date(2030, 1, 1),
    datetime(2030, 1, 1),  # noqa: DTZ001 - naive on purpose
    datetime.max,  # noqa: DTZ901
    datetime.max.replace(tzinfo=UTC),
    datetime.min.replace(tzinfo=UTC),
    timedelta(1),
]
PROVIDERS: list[Any] = [*NO_TEXT, "", "Google", "a b", "a#b", "x" * 33, LONG, "ü", "google\n", SURROGATE]
SUBJECTS: list[Any] = [*NO_TEXT, "", "x" * 256, "é" * 128, LONG, "a\x00", "a\nb", SURROGATE]
STATES: list[Any] = [*NO_TEXT, "", "x" * 513, LONG, SURROGATE * 20]
CREDENTIAL_IDS: list[Any] = [None, "text", 1, b"", b"x" * 1024, b"x" * 2049, [1]]
COUNTS: list[Any] = [None, -1, 2**32, 1.0, "1", True, float("nan"), Decimal(1)]
PURPOSES: list[Any] = [*NO_TEXT, "", "Magic", "x" * 33, LONG, "a#b", "a b", "pkce", "challenge", "code", "ü", SURROGATE]
SESSION_IDS: list[Any] = [*NO_TEXT, "", "x", "0" * 63, "0" * 65, "g" * 64, "A" * 64, LONG, SURROGATE, "0" * 64 + "\n"]
KINDS: list[Any] = [None, 1, "", "login", "Registration", LONG, ["registration"], SURROGATE]
ATTEMPT_KINDS: list[Any] = [None, 1, "", "Login", "users", LONG, ["ip"], SURROGATE]
IPS: list[Any] = [1, b"::1", "", "x", "300.1.1.1", "1.2.3", "1.2.3.4\n", "1.2.3.4/8", LONG, SURROGATE, ["::1"]]
LIMITS: list[Any] = [None, 0, -1, 10**9, 1.5, "10", True, float("nan")]
EPOCHS: list[Any] = [-1, 2**64, 1.0, "1", True, float("nan"), Decimal(1), [1]]
USERS: list[Any] = ["user", 1, {"id": "x"}, b"x"]
CURSORS: list[Any] = [1, b"x", "", "?", LONG, "ü", SURROGATE, "a\n"]
CODES: list[Any] = [*NO_TEXT, "", "1234567", "123456789", "abcdefgh", LONG, SURROGATE]
TOKENS: list[Any] = [None, 1, b"bytes", ["list"], 1.5]


def metadata_values() -> list[Any]:
    """Return values that are not metadata or cannot be stored."""
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"d": deep}
    circle: dict[str, Any] = {}
    circle["self"] = circle
    values: list[Any] = [
        float("nan"),
        float("inf"),
        -float("inf"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
    ]
    values += [object(), {1, 2}, (1, 2), 1j, datetime(2030, 1, 1, tzinfo=UTC), bytearray(b"x"), range(3), deep, 2**5000]
    values += [SURROGATE, {1: 2}, {"": 1}, {None: 1}, {"k" * 256: 1}, {"k" * 2049: 1}, {SURROGATE: 1}, [[SURROGATE]]]
    return [
        *(None, [], "text", 1, [("a", 1)], circle),
        *({"a": value} for value in values),
        *({"a": [{"b": value}]} for value in values[:6]),
        *({1: 1}, {"": 1}, {b"a": 1}, {"k" * 256: 1}, {"k" * 2049: 1}, {SURROGATE: 1}),
    ]


def policies() -> list[Any]:
    """Return values that are not a policy."""
    base = LockoutPolicy()
    bad: dict[str, list[Any]] = {
        "max_attempts": [0, -1, 21, 10**9, True, 1.0, "5", None],
        "window": [timedelta(0), timedelta(-1), timedelta(milliseconds=999), timedelta.max, 900, "15m", None],
        "retention": [timedelta(0), timedelta(-1), timedelta.max, 900, None],
        "enabled": [1, "yes", None],
    }
    return [1, "strict", {"max_attempts": 5}, *variants(base, bad)]


def variants(good: Any, bad: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Return copies of the good object with one bad field, for each field and value."""
    return [replace(good, **{field: value}) for field, values in bad.items() for value in values]


@dataclass(frozen=True)
class Case:
    """A method: arguments that work, and for each argument the values that must be refused."""

    good: Mapping[str, Any]
    bad: Mapping[str, Sequence[Any]]


class BadInputConformance(Conformance):
    """Bad input. Every method of the contract is in the tables here, or has no argument."""

    async def cases(self, storage: AsyncStorage) -> dict[str, Case]:
        """Return the table, by method."""
        user, other = await self.user(storage), await self.user(storage)
        session = await self.session(storage, user)
        attempt = await storage.acquire_login_attempt(user.email)
        return {
            **self._users(user),
            **self._sessions(user, other, session),
            **self._passwords(user, other),
            **self._oauth(user),
            **self._passkeys(user),
            **self._tokens(user, other),
            **self._factors(user),
            **self._attempts(user, attempt.attempt_id),
        }

    def _users(self, user: User) -> dict[str, Case]:
        metadata = metadata_values()
        new_user = NewUser(email=new_address(), id=fresh("u"))
        fields: dict[str, Sequence[Any]] = {
            "email": EMAILS,
            "id": IDS[1:],
            "name": NAMES,
            "email_verified_at": MOMENTS[1:],
            "metadata": metadata,
        }
        new_users: list[Any] = [None, 1, "a@example.com", {"email": "a@example.com"}, user, *variants(new_user, fields)]
        imported = new_import(self._clock)
        return {
            "create_user": Case({"new_user": new_user}, {"new_user": new_users, "password_hash": HASHES}),
            "import_user": Case({"imported": imported}, {"imported": self._imports(user, imported, new_users)}),
            "get_user": Case({"user_id": user.id}, {"user_id": IDS, "consistent": FLAGS}),
            "get_user_by_email": Case({"email": user.email}, {"email": EMAILS, "consistent": FLAGS}),
            "get_or_create_user_by_email": Case({"email": new_address()}, {"email": EMAILS, "name": NAMES}),
            "update_user": Case(
                {"user": user, "name": "Ada"},
                {"user": [None, *USERS], "email": EMAILS, "name": NAMES, "metadata": metadata},
            ),
            "mark_email_verified": Case(
                {"user_id": user.id, "email": user.email},
                {"user_id": IDS, "email": EMAILS, "remove_unproven": [None, *FLAGS], "session_epoch": EPOCHS},
            ),
            "delete_user": Case({"user_id": user.id}, {"user_id": IDS}),
            "batch_get_users": Case(
                {"user_ids": [user.id]},
                {"user_ids": [None, 5, user.id, b"abc", *([user.id, bad] for bad in IDS)], "consistent": FLAGS},
            ),
            "list_users": Case(
                {}, {"limit": [*LIMITS, 1001], "cursor": [1, b"x", "", "?", LONG, "ü", SURROGATE, "a\n"]}
            ),
        }

    def _imports(self, user: User, good: ImportedUser, new_users: list[Any]) -> list[Any]:
        (account,), (passkey,), (factor,) = good.accounts, good.passkeys, good.factors
        nothing: list[Any] = [None, "x", [], {}]
        bad: dict[str, list[Any]] = {
            "user": [*new_users, replace(good.user, id=None)],
            "created_at": MOMENTS,
            "locked_at": MOMENTS[1:],
            "password_hash": HASHES,
            "passkeys_are_second_factor": [None, *FLAGS],
            "disconnected": [None, 1, {1}, {"A b"}, "google"],
            "accounts": [
                *nothing,
                *((one,) for one in (None, passkey, replace(account, user_id=user.id))),
                (account, account),
                *((one,) for one in variants(account, {"subject": SUBJECTS, "created_at": MOMENTS})),
            ],
            "passkeys": [
                *nothing,
                *((one,) for one in (None, account, replace(passkey, user_id=user.id))),
                (passkey, passkey),
                *((one,) for one in variants(passkey, {"sign_count": COUNTS, "last_used_at": MOMENTS[1:]})),
            ],
            "factors": [
                *nothing,
                *(
                    (one,)
                    for one in (None, account, replace(factor, user_id=user.id), replace(factor, kind="recovery"))
                ),
                (factor, factor),
                *((one,) for one in variants(factor, {"id": [*IDS, "recovery"], "secret": [None, b"", "x"]})),
            ],
        }
        return [None, 1, user, good.user, *variants(good, bad)]

    def _sessions(self, user: User, other: User, session: str) -> dict[str, Case]:
        new = NewSession(user_id=user.id, expires_at=self.later())
        fields: dict[str, Sequence[Any]] = {
            "user_id": IDS,
            "expires_at": MOMENTS,
            "user_agent": [1, b"agent", ["agent"]],
            "ip_address": IPS,
            "metadata": metadata_values(),
        }
        return {
            "create_session": Case(
                {"new_session": new},
                {"new_session": [None, 1, {}, user, *variants(new, fields)], "user": [*USERS, other]},
            ),
            "get_session": Case({"token": session}, {"token": TOKENS, "consistent": FLAGS}),
            "get_signed_in": Case({"token": session}, {"token": TOKENS, "consistent": FLAGS}),
            "get_signed_in_by_id": Case(
                {"user_id": user.id, "session_id": "0" * 64},
                {"user_id": IDS, "session_id": SESSION_IDS, "consistent": FLAGS},
            ),
            "list_sessions_for_user": Case({"user_id": user.id}, {"user_id": IDS}),
            "refresh_session": Case(
                {"token": session, "expires_at": self.later(7200)}, {"token": TOKENS, "expires_at": MOMENTS}
            ),
            "delete_session": Case({"token": session}, {"token": TOKENS}),
            "delete_session_by_id": Case(
                {"user_id": user.id, "session_id": "0" * 64}, {"user_id": IDS, "session_id": SESSION_IDS}
            ),
            "delete_sessions_for_user": Case({"user_id": user.id}, {"user_id": IDS}),
        }

    def _passwords(self, user: User, other: User) -> dict[str, Case]:
        hashes = [None, *HASHES]
        return {
            "set_password_hash": Case(
                {"user_id": user.id, "password_hash": new_hash()},
                {
                    "user_id": IDS,
                    "password_hash": hashes,
                    "expected_version": [1, b"version", ["version"]],
                    "user": [*USERS, other],
                    "session_epoch": EPOCHS,
                },
            ),
            "rehash_password": Case(
                {"user_id": user.id, "email": user.email, "old_hash": new_hash(), "new_hash": new_hash()},
                {"user_id": IDS, "email": EMAILS, "old_hash": hashes, "new_hash": hashes},
            ),
            "get_password_hash": Case({"user_id": user.id}, {"user_id": IDS}),
            "get_credentials_by_email": Case({"email": user.email}, {"email": EMAILS}),
            "remove_password_hash": Case(
                {"user_id": user.id}, {"user_id": IDS, "allow_verified_email": [None, *FLAGS]}
            ),
            "complete_password_reset": Case(
                {"token": "x", "password_hash": new_hash()}, {"token": TOKENS, "password_hash": hashes}
            ),
            "complete_email_proof": Case(
                {"token": "x"},
                {
                    "token": TOKENS,
                    "purpose": PURPOSES,
                    "new_email": EMAILS[1:],
                    "keep": [None, *FLAGS],
                    "password_hash": HASHES,
                },
            ),
        }

    def _oauth(self, user: User) -> dict[str, Case]:
        metadata = metadata_values()
        new_user, account = NewUser(email=new_address()), new_account()
        fields: dict[str, Sequence[Any]] = {
            "provider": PROVIDERS,
            "subject": SUBJECTS,
            "email": [1, b"x", ["x"], "x" * 321, LONG, "a\x00@example.com", SURROGATE],
            "profile": metadata,
            "tokens": metadata,
        }
        accounts: list[Any] = [None, 1, {}, user, *variants(account, fields)]
        new_users: list[Any] = [None, 1, {}, user, *variants(new_user, {"email": EMAILS, "id": IDS[1:], "name": NAMES})]
        name: dict[str, Any] = {"provider": account.provider, "subject": account.subject}
        bad_name: dict[str, Sequence[Any]] = {"provider": PROVIDERS, "subject": SUBJECTS}
        holder: dict[str, Any] = {"user_id": user.id, **name}
        bad_holder: dict[str, Sequence[Any]] = {"user_id": IDS, **bad_name}
        verifiers = [*NO_TEXT, "", "x" * 42, "x" * 129, LONG, "ü" * 43, "x" * 42 + "\x00", SURROGATE * 43]
        return {
            "create_oauth_account": Case(
                {"new_user": new_user, "account": account}, {"new_user": new_users, "account": accounts}
            ),
            "link_oauth_account": Case(
                {"user_id": user.id, "account": account},
                {"user_id": IDS, "account": accounts, "session_epoch": EPOCHS, "joining": [None, *FLAGS]},
            ),
            "get_oauth_account_by_provider_and_subject": Case(name, {**bad_name, "consistent": FLAGS}),
            "get_user_by_provider_and_subject": Case(name, {**bad_name, "consistent": FLAGS}),
            "list_oauth_accounts_for_user": Case({"user_id": user.id}, {"user_id": IDS}),
            "update_oauth_account": Case(
                {**holder, "email": "a@example.com"},
                {
                    **bad_holder,
                    "email": fields["email"],
                    "profile": metadata,
                    "tokens": metadata,
                    "expected_tokens": metadata,
                },
            ),
            "unlink_oauth_account": Case(holder, {**bad_holder, "allow_verified_email": [None, *FLAGS]}),
            "store_pkce_verifier": Case(
                {"state": new_state(), "verifier": new_verifier()[:64], "expires_at": self.later()},
                {
                    "state": [*STATES, "x" * 15, "ü" * 16, "x" * 15 + "\x00"],
                    "verifier": verifiers,
                    "expires_at": MOMENTS,
                    "metadata": metadata[1:],
                },
            ),
            "get_pkce_verifier": Case({"state": new_state()}, {"state": STATES}),
            "consume_pkce_verifier": Case({"state": new_state()}, {"state": STATES}),
        }

    def _passkeys(self, user: User) -> dict[str, Case]:
        credential_id = new_credential_id()
        new = NewPasskey(user_id=user.id, credential_id=credential_id, public_key=b"key")
        names = [*NO_TEXT, "", "x" * 65, LONG, "a\x00", "a\nb", SURROGATE]
        fields: dict[str, Sequence[Any]] = {
            "user_id": IDS,
            "credential_id": CREDENTIAL_IDS,
            "public_key": [None, "text", 1, b"", b"x" * 4097],
            "sign_count": COUNTS,
            "name": names,
            "transports": ["usb", None, 1, (1,), (None,), ("",), (LONG,), ("\x00",), (SURROGATE,), tuple("x" * 1000)],
            "aaguid": [1, b"x", "", LONG, "\x00", SURROGATE],
            "backed_up": [None, *FLAGS],
            "backup_eligible": FLAGS,
        }
        challenge = NewPasskeyChallenge(challenge=new_challenge(), kind="registration", expires_at=self.later())
        challenge_fields: dict[str, Sequence[Any]] = {
            "challenge": [None, "text" * 8, 1, b"", b"x" * 15, b"x" * 65, b"x" * 2049],
            "kind": KINDS,
            "expires_at": MOMENTS,
            "user_id": IDS[1:],
            "metadata": metadata_values(),
        }
        holder: dict[str, Any] = {"user_id": user.id, "credential_id": credential_id}
        bad_holder: dict[str, Sequence[Any]] = {"user_id": IDS, "credential_id": CREDENTIAL_IDS}
        ways: dict[str, Sequence[Any]] = {"allow_verified_email": [None, *FLAGS]}
        return {
            "add_passkey": Case(
                {"new_passkey": new},
                {"new_passkey": [None, 1, {}, user, *variants(new, fields)], "session_epoch": EPOCHS},
            ),
            "get_passkey": Case(
                {"credential_id": credential_id}, {"credential_id": CREDENTIAL_IDS, "consistent": FLAGS}
            ),
            "list_passkeys_for_user": Case({"user_id": user.id}, {"user_id": IDS}),
            "rename_passkey": Case({**holder, "name": "Key"}, {**bad_holder, "name": names}),
            "update_passkey_use": Case(
                {**holder, "sign_count": 1, "backed_up": True},
                {
                    **bad_holder,
                    "sign_count": COUNTS,
                    "allow_decrease": [None, *FLAGS],
                    "backed_up": FLAGS,
                    "backup_eligible": [False, *FLAGS],
                },
            ),
            "delete_passkey": Case(holder, {**bad_holder, **ways}),
            "delete_passkeys_for_user": Case({"user_id": user.id}, {"user_id": IDS, **ways}),
            "store_passkey_challenge": Case(
                {"challenge": challenge}, {"challenge": [None, b"x" * 32, {}, *variants(challenge, challenge_fields)]}
            ),
            "consume_passkey_challenge": Case(
                {"challenge": new_challenge(), "kind": "registration"},
                {"challenge": [None, "text" * 8, 1, b"", b"x" * 2049], "kind": KINDS},
            ),
        }

    def _tokens(self, user: User, other: User) -> dict[str, Case]:
        new = NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user.id)
        without = NewToken(purpose=MAGIC_LINK, expires_at=self.later(), email=new_address())
        fields: dict[str, Sequence[Any]] = {
            "purpose": PURPOSES,
            "expires_at": MOMENTS,
            "user_id": IDS,
            "metadata": metadata_values(),
            "revoke_earlier": [None, *FLAGS],
            "email": [user.email],
        }
        tokens: list[Any] = [None, 1, {}, user, *variants(new, fields), *variants(without, {"email": EMAILS})]
        tokens.append(replace(without, revoke_earlier=True))
        use: dict[str, Any] = {"token": "x", "purpose": MAGIC_LINK}
        latest: dict[str, Any] = {"user_id": user.id, "purpose": MAGIC_LINK}
        return {
            "create_token": Case({"new_token": new}, {"new_token": tokens, "user": [*USERS, other]}),
            "verify_token": Case(use, {"token": TOKENS, "purpose": PURPOSES}),
            "check_token": Case(use, {"token": TOKENS, "purpose": PURPOSES}),
            "get_latest_token": Case(latest, {"user_id": IDS, "purpose": PURPOSES, "user": [*USERS, other]}),
            "revoke_latest_token": Case(latest, {"user_id": IDS, "purpose": PURPOSES}),
            "create_code": Case(
                {"new_token": new, "code": "01234567"},
                {"new_token": tokens[:-1], "code": CODES, "user": [*USERS, other]},
            ),
            "try_code": Case({**use, "code": "01234567"}, {"token": TOKENS, "purpose": PURPOSES}),
        }

    def _factors(self, user: User) -> dict[str, Case]:
        new = NewFactor(user_id=user.id, id="app", secret=b"sealed", last_step=1)
        names = [*NO_TEXT, "", "x" * 65, LONG, "a\x00", "a\nb", SURROGATE]
        secrets: list[Any] = [None, "text", 1, b"", b"x" * 4097]
        steps = [None, -1, 2**60, 1.0, "1", True, float("nan")]
        fields: dict[str, Sequence[Any]] = {
            "user_id": IDS,
            "id": [*IDS, "recovery", "passkey"],
            "secret": secrets,
            "last_step": steps,
            "name": names,
        }
        factor = Factor(
            user_id=user.id,
            id="app",
            kind="totp",
            name="App",
            created_at=self.now(),
            last_used_at=None,
            secret=b"sealed",
            last_step=1,
        )
        marks: list[Any] = [None, 1, "mark", b"mark", [], [1], [""], ["x" * 129], ["x"] * 33, [SURROGATE]]
        holder: dict[str, Any] = {"user_id": user.id}
        app: dict[str, Any] = {**holder, "factor_id": "app"}
        return {
            "add_factor": Case(
                {"new_factor": new},
                {
                    "new_factor": [None, 1, {}, user, *variants(new, fields)],
                    "session_epoch": EPOCHS,
                    "only_first": FLAGS,
                },
            ),
            "get_factor": Case(app, {"user_id": IDS, "factor_id": IDS}),
            "list_factors_for_user": Case(holder, {"user_id": IDS, "user": USERS}),
            "remove_factor": Case(app, {"user_id": IDS, "factor_id": IDS, "session_epoch": EPOCHS}),
            "remove_factors_for_user": Case(holder, {"user_id": IDS, "session_epoch": EPOCHS}),
            "use_passkeys_as_factor": Case(
                {**holder, "enabled": True}, {"user_id": IDS, "enabled": [None, *FLAGS], "session_epoch": EPOCHS}
            ),
            "accept_totp_step": Case({**app, "step": 2}, {"user_id": IDS, "factor_id": IDS, "step": steps}),
            "set_recovery_codes": Case(
                {**holder, "marks": ["mark"]}, {"user_id": IDS, "marks": marks, "session_epoch": EPOCHS}
            ),
            "use_recovery_code": Case(
                {**holder, "mark": "mark"}, {"user_id": IDS, "mark": [*NO_TEXT, "", "x" * 129, SURROGATE]}
            ),
            "reseal_factor": Case(
                {"factor": factor, "secret": b"sealed"}, {"factor": [None, 1, user], "secret": secrets}
            ),
        }

    def _attempts(self, user: User, attempt_id: str) -> dict[str, Case]:
        email: dict[str, Any] = {"email": user.email}
        return {
            "acquire_login_attempt": Case(email, {"email": EMAILS, "policy": policies()}),
            "acquire_attempt": Case(
                {"kind": "ip", "value": "192.0.2.1"},
                {
                    "kind": ATTEMPT_KINDS,
                    "value": [None, *IPS],
                    "purpose": [purpose for purpose in PURPOSES if purpose is not None],
                    "policy": policies(),
                },
            ),
            "record_failed_attempt": Case(
                {**email, "attempt_id": attempt_id},
                {
                    "email": EMAILS,
                    "attempt_id": [*NO_TEXT, "", LONG, "\x00", SURROGATE, "#register"],
                    "ip_address": IPS,
                    "user_agent": [1, b"agent", ["agent"]],
                    "policy": policies(),
                },
            ),
            "get_lockout_status": Case(email, {"email": EMAILS, "policy": policies()}),
            "clear_attempts": Case(email, {"email": EMAILS, "attempt_id": [1, b"x", ["x"]]}),
            "clear_attempt": Case(
                {"kind": "ip", "value": "192.0.2.1", "attempt_id": attempt_id},
                {
                    "kind": ATTEMPT_KINDS,
                    "value": [None, *IPS],
                    "purpose": [purpose for purpose in PURPOSES if purpose is not None],
                    "attempt_id": [*NO_TEXT, LONG, "\x00", SURROGATE, "#register"],
                },
            ),
            "list_failed_attempts": Case(email, {"email": EMAILS, "limit": LIMITS}),
            "cleanup_old_attempts": Case({**email, "before": self.later()}, {"email": EMAILS, "before": MOMENTS}),
            "set_locked_at": Case({"user_id": user.id, "locked_at": None}, {"user_id": IDS, "locked_at": MOMENTS[1:]}),
            "get_locked_at": Case({"user_id": user.id}, {"user_id": IDS}),
        }

    @clause("INPUT-1")
    async def test_bad_input_is_refused_before_any_request(self, storage: AsyncStorage) -> None:
        """Every bad value of every argument of every method raises ValidationError; nothing is sent or changed."""
        cases = await self.cases(storage)
        without = {"cleanup_expired_sessions", "cleanup_expired_tokens"}
        methods = {name for name in dir(AsyncStorage) if not name.startswith("_")}
        assert set(cases) | without == methods, "the tables contain exactly the methods of the contract"
        before = await self.dump() if "raw" in self.capabilities else None
        wrong: list[str] = []
        for method, case in cases.items():
            for argument, values in case.bad.items():
                for value in values:
                    sent = self.count_requests(self.opened)
                    told = await self._outcome(storage, method, {**case.good, argument: value})
                    if told is None and self.count_requests(self.opened) != sent:
                        told = "a request was sent first"
                    if told is not None:
                        wrong.append(f"{method}({argument}={_shown(value)}): {told}")
        assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)
        if before is not None:
            assert await self.dump() == before

    async def _outcome(self, storage: AsyncStorage, method: str, arguments: Mapping[str, Any]) -> str | None:
        try:
            await getattr(storage, method)(**arguments)
        except ValidationError as error:
            shown = f"{error}{error!r}"
            secret = [value for name, value in arguments.items() if "hash" in name and isinstance(value, str)]
            if any(len(text) > 10 and text in shown for text in secret):
                return "the error shows the hash"
            return None if error.field and error.reason else "the error names no field or reason"
        except ToriiError as error:
            return f"raised {type(error).__name__}: {str(error)[:80]}"
        except Exception as error:  # noqa: BLE001 - what it is, is the finding
            return f"raised {type(error).__name__}: {str(error)[:80]}"
        return "was accepted"

    @clause("INPUT-1")
    async def test_the_good_input_of_the_tables_is_good(self, storage: AsyncStorage) -> None:
        """The other arguments in the tables work; otherwise the tables would prove nothing."""
        harmful = {"delete_user", "delete_sessions_for_user"}
        cases = await self.cases(storage)
        for method in sorted(cases, key=lambda name: name in harmful):
            try:
                await getattr(storage, method)(**cases[method].good)
            except ValidationError as error:
                pytest.fail(f"{method}: {error}")
            except ToriiError:
                pass  # refused for another reason

    @clause("INPUT-2", "USER-6")
    async def test_an_item_that_is_too_large_is_refused_before_it_is_sent(self, storage: AsyncStorage) -> None:
        """Over 400 KB: ItemTooLarge with size, limit and largest attribute; nothing is sent or changed."""
        user = await self.user(storage)
        blob: dict[str, Any] = {"blob": b"x" * 500_000}
        before = await self.dump() if "raw" in self.capabilities else None
        account = replace(new_account(), profile=blob)
        token = NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user.id, metadata=blob)
        session = NewSession(user_id=user.id, expires_at=self.later(), metadata=blob)
        calls: list[tuple[str, dict[str, Any]]] = [
            ("create_user", {"new_user": NewUser(email=new_address(), metadata=blob)}),
            ("update_user", {"user": user, "metadata": blob}),
            ("create_session", {"new_session": session, "user": user}),
            ("create_oauth_account", {"new_user": NewUser(email=new_address()), "account": account}),
            ("create_token", {"new_token": token, "user": user}),
        ]
        for method, arguments in calls:
            sent = self.count_requests(self.opened)
            with pytest.raises(ItemTooLarge) as caught:
                await getattr(storage, method)(**arguments)
            assert caught.value.size > 500_000
            assert caught.value.limit == 400 * 1024
            assert caught.value.largest
            assert self.count_requests(self.opened) == sent, method
        if before is not None:
            assert await self.dump() == before

    @clause("INPUT-2")
    async def test_a_large_item_within_the_limit_is_kept(self, storage: AsyncStorage) -> None:
        """A user's metadata of 390 KB comes back."""
        self.needs("large")
        blob = b"x" * 390_000
        user = await storage.create_user(NewUser(email=new_address(), metadata={"blob": blob}))
        assert cast("bytes", (await self.reread(storage, user)).metadata["blob"]) == blob


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 160 else f"{shown[:100]}...{shown[-50:]}"
