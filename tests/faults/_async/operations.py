"""Every operation of the contract, in one or more cases, on the small world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tests.faults._async.world import CODE, HASH, OTHER_HASH, STRICT, AsyncWorld

from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle
from torii_dynamodb._core.transactions import TransactionBuilder
from torii_dynamodb.errors import (
    AlreadyExists,
    ClonedAuthenticator,
    LastSignInMethod,
    NotFound,
    ProviderDisconnected,
    Revoked,
    ToriiError,
    TransactionFailed,
    VersionConflict,
)
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import (
    NewFactor,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    OAuthAccount,
)

__all__ = ["NOT_SENT", "OPERATIONS", "Operation"]

Run = Callable[[AsyncDynamoDbHandle, AsyncWorld], Awaitable[Any]]

STATE = "state-" + "x" * 32
ADA, EVE = b"ada" * 8, b"eve" * 8
APP = NewFactor(user_id="usr_ada", id="new", secret=b"sealed", last_step=100)
LONG_AGO = datetime(2020, 2, 2, tzinfo=UTC)
IMPORT = ImportedUser(
    user=NewUser(id="usr_new", email="new@example.com", email_verified_at=LONG_AGO),
    created_at=LONG_AGO,
    password_hash=HASH,
    accounts=(
        OAuthAccount(
            provider="google",
            subject="new",
            user_id="usr_new",
            email=None,
            profile={},
            tokens={},
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
        ),
    ),
)
THREE = replace(STRICT, max_attempts=3)


@dataclass(frozen=True)
class Operation:
    """A case of an operation.

    Args:
        method: The contract's method.
        case: The special condition; empty for the plain case.
        run: Calls it.
        refused: The error that is its correct outcome.
        steps: Whether it makes several separate writes that a repeated call completes.
    """

    method: str
    case: str
    run: Run
    refused: type[ToriiError] | None = None
    steps: bool = False

    @property
    def name(self) -> str:
        """The name in the matrix."""
        return f"{self.method}: {self.case}" if self.case else self.method

    def __str__(self) -> str:
        return self.name


def _own_items(builder: TransactionBuilder) -> None:
    config_table = builder._config.table_name
    builder.put(config_table("tokens"), {"id": "mine#1", "note": "hello"}, condition="attribute_not_exists(#id)")
    builder.update(
        config_table("users"),
        {"id": "usr_ada"},
        "SET #visits = if_not_exists(#visits, :zero) + :one",
        condition="attribute_exists(#id)",
        values={"zero": 0, "one": 1},
    )
    builder.create_user(NewUser(id="usr_new", email="new@example.com"))


def _refused_items(builder: TransactionBuilder) -> None:
    config_table = builder._config.table_name
    builder.put(config_table("tokens"), {"id": "mine#1", "note": "hello"})
    builder.check(config_table("users"), {"id": "usr_ada"}, condition="attribute_not_exists(#id)")


OPERATIONS = [
    # Users.
    Operation("create_user", "", lambda s, w: s.create_user(NewUser(email="new@example.com", metadata={"a": 1.5}))),
    Operation(
        "create_user", "with a password", lambda s, w: s.create_user(NewUser(email="n@example.com"), password_hash=HASH)
    ),
    Operation(
        "create_user",
        "repeated with the same id",
        lambda s, w: s.create_user(NewUser(id="usr_ada", email="Ada@example.com")),
    ),
    Operation(
        "create_user", "address taken", lambda s, w: s.create_user(NewUser(email="ada@example.com")), AlreadyExists
    ),
    Operation(
        "create_user",
        "id taken",
        lambda s, w: s.create_user(NewUser(id="usr_ada", email="new@example.com")),
        AlreadyExists,
    ),
    Operation("import_user", "", lambda s, w: s.import_user(IMPORT)),
    Operation(
        "import_user",
        "repeated",
        lambda s, w: s.import_user(
            ImportedUser(user=NewUser(id="usr_ada", email="ada@example.com"), created_at=LONG_AGO)
        ),
    ),
    Operation(
        "import_user",
        "account taken",
        lambda s, w: s.import_user(replace(IMPORT, accounts=(replace(IMPORT.accounts[0], subject="ada"),))),
        AlreadyExists,
    ),
    Operation("get_or_create_user_by_email", "", lambda s, w: s.get_or_create_user_by_email("new@example.com")),
    Operation(
        "get_or_create_user_by_email", "existing user", lambda s, w: s.get_or_create_user_by_email("ada@example.com")
    ),
    Operation(
        "update_user", "name and metadata", lambda s, w: s.update_user(w.known.ada, name=None, metadata={"b": 2})
    ),
    Operation("update_user", "address", lambda s, w: s.update_user(w.known.ada, email="ada@example.org")),
    Operation(
        "update_user", "address taken", lambda s, w: s.update_user(w.known.ada, email="bob@example.com"), AlreadyExists
    ),
    Operation(
        "update_user",
        "changed in between",
        lambda s, w: s.update_user(replace(w.known.ada, version=1), name="A"),
        VersionConflict,
    ),
    Operation("update_user", "gone", lambda s, w: s.update_user(replace(w.known.ada, id="usr_x"), name="A"), NotFound),
    Operation("mark_email_verified", "", lambda s, w: s.mark_email_verified("usr_ada", email="ada@example.com")),
    Operation(
        "mark_email_verified",
        "removing what is unproven",
        lambda s, w: s.mark_email_verified("usr_ada", email="ada@example.com", remove_unproven=True),
    ),
    Operation("delete_user", "", lambda s, w: s.delete_user("usr_ada")),
    Operation("delete_user", "gone", lambda s, w: s.delete_user("usr_x")),
    Operation("get_user", "", lambda s, w: s.get_user("usr_ada")),
    Operation("get_user_by_email", "", lambda s, w: s.get_user_by_email("ada@example.com")),
    Operation("get_user_by_email", "eventual", lambda s, w: s.get_user_by_email("ada@example.com", consistent=False)),
    Operation("batch_get_users", "", lambda s, w: s.batch_get_users(["usr_eve", "usr_x", "usr_ada", "usr_ada"])),
    Operation("list_users", "", lambda s, w: s.list_users()),
    # Sessions.
    Operation(
        "create_session",
        "",
        lambda s, w: s.create_session(NewSession(user_id="usr_ada", expires_at=w.later()), user=w.known.ada),
    ),
    Operation(
        "create_session",
        "with the user given",
        lambda s, w: s.create_session(NewSession(user_id="usr_ada", expires_at=w.later())),
    ),
    Operation("get_session", "", lambda s, w: s.get_session(w.known.session)),
    Operation("get_signed_in", "", lambda s, w: s.get_signed_in(w.known.session)),
    Operation("get_signed_in_by_id", "", lambda s, w: s.get_signed_in_by_id("usr_ada", w.known.session_id)),
    Operation("list_sessions_for_user", "", lambda s, w: s.list_sessions_for_user("usr_ada")),
    Operation("refresh_session", "", lambda s, w: s.refresh_session(w.known.session, expires_at=w.later(7200))),
    Operation(
        "refresh_session", "not extended", lambda s, w: s.refresh_session(w.known.session, expires_at=w.later(60))
    ),
    Operation("delete_session", "", lambda s, w: s.delete_session(w.known.session)),
    Operation("delete_session_by_id", "", lambda s, w: s.delete_session_by_id("usr_ada", w.known.session_id)),
    Operation(
        "delete_session_by_id", "another user's", lambda s, w: s.delete_session_by_id("usr_bob", w.known.session_id)
    ),
    Operation("delete_sessions_for_user", "", lambda s, w: s.delete_sessions_for_user("usr_ada")),
    Operation("delete_sessions_for_user", "gone", lambda s, w: s.delete_sessions_for_user("usr_x")),
    Operation("remove_ended_sessions", "", lambda s, w: s.remove_ended_sessions("usr_bob")),
    # Passwords.
    Operation("set_password_hash", "", lambda s, w: s.set_password_hash("usr_ada", OTHER_HASH)),
    Operation(
        "set_password_hash", "first password", lambda s, w: s.set_password_hash("usr_bob", HASH, user=w.known.bob)
    ),
    Operation(
        "set_password_hash",
        "wrong expected version",
        lambda s, w: s.set_password_hash("usr_ada", HASH, expected_version="0" * 24),
        VersionConflict,
    ),
    Operation(
        "set_password_hash",
        "begun before all sessions ended",
        lambda s, w: s.set_password_hash("usr_ada", OTHER_HASH, session_epoch=1),
        Revoked,
    ),
    Operation("set_password_hash", "gone", lambda s, w: s.set_password_hash("usr_x", HASH), NotFound),
    Operation(
        "rehash_password",
        "",
        lambda s, w: s.rehash_password("usr_ada", email="ada@example.com", old_hash=HASH, new_hash=OTHER_HASH),
    ),
    Operation(
        "rehash_password",
        "of another hash",
        lambda s, w: s.rehash_password("usr_ada", email="ada@example.com", old_hash=OTHER_HASH, new_hash=HASH),
    ),
    Operation("get_password_hash", "", lambda s, w: s.get_password_hash("usr_ada")),
    Operation("get_credentials_by_email", "", lambda s, w: s.get_credentials_by_email("ada@example.com")),
    Operation("remove_password_hash", "", lambda s, w: s.remove_password_hash("usr_ada")),
    Operation(
        "complete_email_proof",
        "first proof",
        lambda s, w: s.complete_email_proof(w.known.reset, purpose="password_reset"),
    ),
    Operation(
        "complete_email_proof",
        "moving",
        lambda s, w: s.complete_email_proof(
            w.known.reset, purpose="password_reset", new_email="ada@example.org", keep=True
        ),
    ),
    Operation(
        "complete_email_proof",
        "moving, first proof",
        lambda s, w: s.complete_email_proof(
            w.known.reset, purpose="password_reset", new_email="ada@example.org", password_hash=OTHER_HASH
        ),
    ),
    Operation(
        "complete_email_proof",
        "address taken",
        lambda s, w: s.complete_email_proof(w.known.reset, purpose="password_reset", new_email="bob@example.com"),
        AlreadyExists,
    ),
    Operation("complete_password_reset", "", lambda s, w: s.complete_password_reset(w.known.reset, OTHER_HASH)),
    # OAuth.
    Operation(
        "create_oauth_account",
        "",
        lambda s, w: s.create_oauth_account(
            NewUser(email="new@example.com"), NewOAuthAccount(provider="google", subject="new")
        ),
    ),
    Operation(
        "create_oauth_account",
        "account taken",
        lambda s, w: s.create_oauth_account(
            NewUser(email="new@example.com"), NewOAuthAccount(provider="google", subject="ada")
        ),
        AlreadyExists,
    ),
    Operation(
        "link_oauth_account",
        "",
        lambda s, w: s.link_oauth_account("usr_ada", NewOAuthAccount(provider="github", subject="ada")),
    ),
    Operation(
        "link_oauth_account",
        "already linked",
        lambda s, w: s.link_oauth_account("usr_ada", NewOAuthAccount(provider="google", subject="ada")),
    ),
    Operation(
        "link_oauth_account",
        "with the current epoch",
        lambda s, w: s.link_oauth_account(
            "usr_ada", NewOAuthAccount(provider="github", subject="ada"), session_epoch=w.known.ada.session_epoch
        ),
    ),
    Operation(
        "link_oauth_account",
        "begun before all sessions ended",
        lambda s, w: s.link_oauth_account(
            "usr_ada", NewOAuthAccount(provider="github", subject="ada"), session_epoch=1
        ),
        Revoked,
    ),
    Operation(
        "link_oauth_account",
        "taken",
        lambda s, w: s.link_oauth_account("usr_bob", NewOAuthAccount(provider="google", subject="ada")),
        AlreadyExists,
    ),
    Operation(
        "get_oauth_account_by_provider_and_subject",
        "",
        lambda s, w: s.get_oauth_account_by_provider_and_subject("google", "ada"),
    ),
    Operation("get_user_by_provider_and_subject", "", lambda s, w: s.get_user_by_provider_and_subject("google", "ada")),
    Operation("list_oauth_accounts_for_user", "", lambda s, w: s.list_oauth_accounts_for_user("usr_ada")),
    Operation(
        "update_oauth_account",
        "",
        lambda s, w: s.update_oauth_account("usr_ada", "google", "ada", email=None, tokens={"n": 2}),
    ),
    Operation(
        "update_oauth_account",
        "tokens changed",
        lambda s, w: s.update_oauth_account("usr_ada", "google", "ada", tokens={"n": 2}, expected_tokens={"n": 9}),
        VersionConflict,
    ),
    Operation("unlink_oauth_account", "", lambda s, w: s.unlink_oauth_account("usr_ada", "google", "ada")),
    Operation(
        "link_oauth_account",
        "joining",
        lambda s, w: s.link_oauth_account("usr_ada", NewOAuthAccount(provider="github", subject="ada"), joining=True),
    ),
    Operation(
        "link_oauth_account",
        "joining a disconnected provider",
        lambda s, w: s.link_oauth_account("usr_eve", NewOAuthAccount(provider="github", subject="eve"), joining=True),
        ProviderDisconnected,
    ),
    Operation(
        "unlink_oauth_account",
        "the last sign-in method",
        lambda s, w: s.unlink_oauth_account("usr_bob", "google", "bob"),
        LastSignInMethod,
    ),
    Operation(
        "unlink_oauth_account", "another user's", lambda s, w: s.unlink_oauth_account("usr_bob", "google", "ada")
    ),
    Operation(
        "store_pkce_verifier",
        "",
        lambda s, w: s.store_pkce_verifier("state-" + "y" * 32, "w" * 43, expires_at=w.later(), metadata={"next": "/"}),
    ),
    Operation(
        "store_pkce_verifier",
        "state taken",
        lambda s, w: s.store_pkce_verifier(STATE, "w" * 43, expires_at=w.later()),
        AlreadyExists,
    ),
    Operation("get_pkce_verifier", "", lambda s, w: s.get_pkce_verifier(STATE)),
    Operation("consume_pkce_verifier", "", lambda s, w: s.consume_pkce_verifier(STATE)),
    # Passkeys.
    Operation(
        "add_passkey",
        "",
        lambda s, w: s.add_passkey(NewPasskey(user_id="usr_ada", credential_id=b"new", public_key=b"key")),
    ),
    Operation(
        "add_passkey",
        "begun before all sessions ended",
        lambda s, w: s.add_passkey(
            NewPasskey(user_id="usr_ada", credential_id=b"new", public_key=b"key"), session_epoch=1
        ),
        Revoked,
    ),
    Operation(
        "add_passkey",
        "taken",
        lambda s, w: s.add_passkey(NewPasskey(user_id="usr_bob", credential_id=ADA, public_key=b"key")),
        AlreadyExists,
    ),
    Operation("get_passkey", "", lambda s, w: s.get_passkey(ADA)),
    Operation("list_passkeys_for_user", "", lambda s, w: s.list_passkeys_for_user("usr_ada")),
    Operation("rename_passkey", "", lambda s, w: s.rename_passkey("usr_ada", ADA, "Phone")),
    Operation("update_passkey_use", "", lambda s, w: s.update_passkey_use("usr_ada", ADA, sign_count=6)),
    Operation(
        "update_passkey_use",
        "the count went back",
        lambda s, w: s.update_passkey_use("usr_ada", ADA, sign_count=5),
        ClonedAuthenticator,
    ),
    Operation(
        "update_passkey_use",
        "with the backup state",
        lambda s, w: s.update_passkey_use("usr_ada", ADA, sign_count=6, backup_eligible=True, backed_up=True),
    ),
    Operation("delete_passkey", "", lambda s, w: s.delete_passkey("usr_ada", ADA)),
    Operation(
        "delete_passkey",
        "the last sign-in method",
        lambda s, w: s.delete_passkey("usr_eve", EVE),
        LastSignInMethod,
    ),
    Operation("delete_passkeys_for_user", "", lambda s, w: s.delete_passkeys_for_user("usr_ada")),
    Operation(
        "delete_passkeys_for_user",
        "the last sign-in method",
        lambda s, w: s.delete_passkeys_for_user("usr_eve"),
        LastSignInMethod,
    ),
    Operation(
        "store_passkey_challenge",
        "",
        lambda s, w: s.store_passkey_challenge(
            NewPasskeyChallenge(challenge=b"d" * 32, kind="registration", expires_at=w.later(), user_id="usr_ada")
        ),
    ),
    Operation(
        "consume_passkey_challenge", "", lambda s, w: s.consume_passkey_challenge(b"c" * 32, kind="authentication")
    ),
    Operation(
        "consume_passkey_challenge",
        "of another kind",
        lambda s, w: s.consume_passkey_challenge(b"c" * 32, kind="registration"),
    ),
    # One-time tokens.
    Operation(
        "create_token",
        "",
        lambda s, w: s.create_token(
            NewToken(purpose="magic_link", expires_at=w.later(), user_id="usr_ada"), user=w.known.ada
        ),
    ),
    Operation(
        "create_token",
        "without a user",
        lambda s, w: s.create_token(NewToken(purpose="magic_link", expires_at=w.later(), email="new@example.com")),
    ),
    Operation(
        "create_token",
        "revoking earlier ones",
        lambda s, w: s.create_token(
            NewToken(purpose="magic_link", expires_at=w.later(), user_id="usr_ada", revoke_earlier=True)
        ),
    ),
    Operation("verify_token", "", lambda s, w: s.verify_token(w.known.link, purpose="magic_link")),
    Operation("verify_token", "without a user", lambda s, w: s.verify_token(w.known.bearer, purpose="magic_link")),
    Operation("verify_token", "used", lambda s, w: s.verify_token(w.known.used, purpose="magic_link")),
    Operation("check_token", "", lambda s, w: s.check_token(w.known.link, purpose="magic_link")),
    Operation("get_latest_token", "", lambda s, w: s.get_latest_token("usr_bob", purpose="invite")),
    Operation("revoke_latest_token", "", lambda s, w: s.revoke_latest_token("usr_bob", purpose="invite")),
    # Second factors.
    Operation("add_factor", "", lambda s, w: s.add_factor(APP)),
    Operation("add_factor", "once more, with the same id", lambda s, w: s.add_factor(replace(APP, id="app"))),
    Operation(
        "add_factor",
        "begun under an epoch that is over",
        lambda s, w: s.add_factor(APP, session_epoch=1),
        Revoked,
    ),
    Operation("get_factor", "", lambda s, w: s.get_factor("usr_ada", "app")),
    Operation("list_factors_for_user", "", lambda s, w: s.list_factors_for_user("usr_ada")),
    Operation("list_factors_for_user", "without any", lambda s, w: s.list_factors_for_user("usr_bob")),
    Operation("remove_factor", "", lambda s, w: s.remove_factor("usr_ada", "app")),
    Operation("remove_factor", "another's", lambda s, w: s.remove_factor("usr_bob", "app")),
    Operation("remove_factors_for_user", "", lambda s, w: s.remove_factors_for_user("usr_ada")),
    Operation("use_passkeys_as_factor", "", lambda s, w: s.use_passkeys_as_factor("usr_ada", True)),
    Operation("use_passkeys_as_factor", "no longer", lambda s, w: s.use_passkeys_as_factor("usr_eve", False)),
    Operation("accept_totp_step", "", lambda s, w: s.accept_totp_step("usr_ada", "app", 101)),
    Operation("accept_totp_step", "used", lambda s, w: s.accept_totp_step("usr_ada", "app", 100)),
    Operation("set_recovery_codes", "", lambda s, w: s.set_recovery_codes("usr_ada", ["mark-x", "mark-y"])),
    Operation("set_recovery_codes", "gone", lambda s, w: s.set_recovery_codes("usr_x", ["mark-x"]), NotFound),
    Operation("use_recovery_code", "", lambda s, w: s.use_recovery_code("usr_ada", "mark-1")),
    Operation("use_recovery_code", "used", lambda s, w: s.use_recovery_code("usr_ada", "mark-0")),
    Operation("reseal_factor", "", lambda s, w: s.reseal_factor(w.known.app, b"sealed anew")),
    Operation(
        "reseal_factor",
        "sealed anew since",
        lambda s, w: s.reseal_factor(replace(w.known.app, secret=b"sealed before"), b"sealed anew"),
    ),
    # Codes from mails.
    Operation(
        "create_code",
        "",
        lambda s, w: s.create_code(
            NewToken(purpose="magic_link", expires_at=w.later(), user_id="usr_ada"), CODE, user=w.known.ada
        ),
    ),
    Operation("try_code", "", lambda s, w: s.try_code(w.known.flow, CODE, purpose="magic_link")),
    Operation("try_code", "wrong", lambda s, w: s.try_code(w.known.flow, "76543210", purpose="magic_link")),
    Operation("try_code", "used", lambda s, w: s.try_code(w.known.used_flow, CODE, purpose="magic_link")),
    # Attempts.
    Operation("acquire_login_attempt", "", lambda s, w: s.acquire_login_attempt("ada@example.com")),
    Operation(
        "acquire_login_attempt", "the last one", lambda s, w: s.acquire_login_attempt("ada@example.com", policy=THREE)
    ),
    Operation(
        "acquire_login_attempt", "refused", lambda s, w: s.acquire_login_attempt("full@example.com", policy=STRICT)
    ),
    Operation("acquire_attempt", "", lambda s, w: s.acquire_attempt("ip", "192.0.2.7")),
    Operation(
        "record_failed_attempt",
        "",
        lambda s, w: s.record_failed_attempt("ada@example.com", w.known.attempt_id, user_agent="curl"),
    ),
    Operation("get_lockout_status", "", lambda s, w: s.get_lockout_status("ada@example.com")),
    Operation("clear_attempts", "", lambda s, w: s.clear_attempts("ada@example.com")),
    Operation(
        "clear_attempts",
        "of the last attempt",
        lambda s, w: s.clear_attempts("ada@example.com", attempt_id=w.known.attempt_id),
    ),
    Operation("clear_attempt", "", lambda s, w: s.clear_attempt("ip", "192.0.2.7", attempt_id=w.known.attempt_id)),
    Operation("list_failed_attempts", "", lambda s, w: s.list_failed_attempts("ada@example.com")),
    Operation("cleanup_old_attempts", "", lambda s, w: s.cleanup_old_attempts("ada@example.com", before=w.later())),
    Operation("set_locked_at", "lock", lambda s, w: s.set_locked_at("usr_ada", w.clock()), steps=True),
    Operation("set_locked_at", "unlock, not locked", lambda s, w: s.set_locked_at("usr_ada", None)),
    Operation("get_locked_at", "", lambda s, w: s.get_locked_at("usr_ada")),
    # The caller's own writes.
    Operation("transact_write", "", lambda s, w: s.transact_write(_own_items, allow_torii_tables=True)),
    Operation(
        "transact_write",
        "refused",
        lambda s, w: s.transact_write(_refused_items, allow_torii_tables=True),
        TransactionFailed,
    ),
]
"""All cases; each has a row in the matrix."""

NOT_SENT = frozenset({"cleanup_expired_sessions", "cleanup_expired_tokens"})
"""Methods that send no request: DynamoDB's TTL does the work."""
