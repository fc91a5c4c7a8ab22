"""Every operation of the storage, each at least once, in one sequence. Shared by tests; sequential, as moto needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from torii_dynamodb import (
    DynamoDbHandle,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
)
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import NewFactor

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
SOON = timedelta(hours=1)
VERIFIER, STATE = "v" * 43, "s" * 32


def steps(storage: DynamoDbHandle) -> list[tuple[str, Callable[[], Any]]]:
    """The operations by name. Each can run even if another failed; all need the first."""
    now = storage.config.clock()
    kept: dict[str, Any] = {}

    def keep(name: str, call: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            kept[name] = call()
            return kept[name]

        return run

    def user() -> Any:
        return kept.get("user") or storage.create_user(NewUser(email="ada@example.com", id="usr_ada"))

    def token(purpose: str) -> str:
        made = storage.create_token(NewToken(purpose=purpose, user_id="usr_ada", expires_at=now + SOON))
        return made.token

    def code() -> str:
        new = NewToken(purpose="magic_link", user_id="usr_ada", expires_at=now + SOON)
        return storage.create_code(new, "12345678").token

    def session() -> str:
        return str(kept["session"].token) if "session" in kept else "torii_s1_bad"

    ada, email, credential = "usr_ada", "ada@example.com", b"c" * 32
    passkey = NewPasskey(user_id=ada, credential_id=credential, public_key=b"k" * 32, sign_count=0, name="Key")
    challenge = NewPasskeyChallenge(challenge=b"x" * 32, kind="authentication", expires_at=now + SOON)
    moved = ImportedUser(user=NewUser(id="usr_moved", email="moved@example.com"), created_at=now)
    new_session = NewSession(user_id=ada, expires_at=now + SOON)
    return [
        ("health_check", storage.health_check),
        ("create_user", keep("user", lambda: storage.create_user(NewUser(email=email, id=ada), password_hash=HASH))),
        ("import_user", lambda: storage.import_user(moved)),
        ("get_user", lambda: storage.get_user(ada)),
        ("get_user_by_email", lambda: storage.get_user_by_email(email)),
        ("get_user_by_email", lambda: storage.get_user_by_email(email, consistent=False)),
        ("get_or_create_user_by_email", lambda: storage.get_or_create_user_by_email("bob@example.com")),
        ("update_user", keep("user", lambda: storage.update_user(user(), name="Ada"))),
        ("batch_get_users", lambda: storage.batch_get_users([ada])),
        ("list_users", storage.list_users),
        (
            "create_session",
            keep("session", lambda: storage.create_session(new_session)),
        ),
        ("get_session", lambda: storage.get_session(session())),
        ("get_signed_in", lambda: storage.get_signed_in(session())),
        ("get_signed_in_by_id", lambda: storage.get_signed_in_by_id(ada, "0" * 64)),
        ("list_sessions_for_user", lambda: storage.list_sessions_for_user(ada)),
        ("refresh_session", lambda: storage.refresh_session(session(), expires_at=now + 2 * SOON)),
        ("delete_session", lambda: storage.delete_session(session())),
        ("delete_session_by_id", lambda: storage.delete_session_by_id(ada, "0" * 64)),
        ("set_password_hash", lambda: storage.set_password_hash(ada, HASH)),
        ("rehash_password", lambda: storage.rehash_password(ada, email=email, old_hash=HASH, new_hash=HASH + "x")),
        ("get_password_hash", lambda: storage.get_password_hash(ada)),
        ("get_credentials_by_email", lambda: storage.get_credentials_by_email(email)),
        ("create_token", lambda: token("magic_link")),
        ("verify_token", lambda: storage.verify_token(token("magic_link"), purpose="magic_link")),
        ("check_token", lambda: storage.check_token(token("magic_link"), purpose="magic_link")),
        (
            "create_token",
            lambda: storage.create_token(
                NewToken(purpose="invite", user_id=ada, expires_at=now + SOON, revoke_earlier=True)
            ),
        ),
        ("get_latest_token", lambda: storage.get_latest_token(ada, purpose="invite")),
        ("revoke_latest_token", lambda: storage.revoke_latest_token(ada, purpose="invite")),
        ("complete_password_reset", lambda: storage.complete_password_reset(token("password_reset"), HASH)),
        ("complete_email_proof", lambda: storage.complete_email_proof(token("email_verification"))),
        ("mark_email_verified", lambda: storage.mark_email_verified(ada, email=email)),
        ("link_oauth_account", lambda: storage.link_oauth_account(ada, NewOAuthAccount(provider="p", subject="1"))),
        (
            "create_oauth_account",
            lambda: storage.create_oauth_account(
                NewUser(email="carl@example.com"), NewOAuthAccount(provider="p", subject="2")
            ),
        ),
        (
            "get_oauth_account_by_provider_and_subject",
            lambda: storage.get_oauth_account_by_provider_and_subject("p", "1"),
        ),
        ("get_user_by_provider_and_subject", lambda: storage.get_user_by_provider_and_subject("p", "1")),
        ("list_oauth_accounts_for_user", lambda: storage.list_oauth_accounts_for_user(ada)),
        ("update_oauth_account", lambda: storage.update_oauth_account(ada, "p", "1", profile={"a": 1})),
        ("unlink_oauth_account", lambda: storage.unlink_oauth_account(ada, "p", "1")),
        ("store_pkce_verifier", lambda: storage.store_pkce_verifier(STATE, VERIFIER, expires_at=now + SOON)),
        ("get_pkce_verifier", lambda: storage.get_pkce_verifier(STATE)),
        ("consume_pkce_verifier", lambda: storage.consume_pkce_verifier(STATE)),
        ("add_passkey", lambda: storage.add_passkey(passkey)),
        ("get_passkey", lambda: storage.get_passkey(credential)),
        ("list_passkeys_for_user", lambda: storage.list_passkeys_for_user(ada)),
        ("rename_passkey", lambda: storage.rename_passkey(ada, credential, "New")),
        ("update_passkey_use", lambda: storage.update_passkey_use(ada, credential, sign_count=1)),
        ("store_passkey_challenge", lambda: storage.store_passkey_challenge(challenge)),
        ("consume_passkey_challenge", lambda: storage.consume_passkey_challenge(b"x" * 32, kind="authentication")),
        ("add_factor", lambda: storage.add_factor(NewFactor(user_id=ada, id="app", secret=b"sealed", last_step=1))),
        ("set_recovery_codes", lambda: storage.set_recovery_codes(ada, ["mark"])),
        ("use_passkeys_as_factor", lambda: storage.use_passkeys_as_factor(ada, True)),
        ("get_factor", lambda: storage.get_factor(ada, "app")),
        ("list_factors_for_user", keep("factors", lambda: storage.list_factors_for_user(ada))),
        ("accept_totp_step", lambda: storage.accept_totp_step(ada, "app", 2)),
        ("use_recovery_code", lambda: storage.use_recovery_code(ada, "mark")),
        ("reseal_factor", lambda: storage.reseal_factor(kept["factors"][-1], b"sealed anew")),
        ("remove_factor", lambda: storage.remove_factor(ada, "app")),
        ("remove_factors_for_user", lambda: storage.remove_factors_for_user(ada)),
        ("create_code", code),
        ("try_code", lambda: storage.try_code(code(), "12345678", purpose="magic_link")),
        ("acquire_login_attempt", keep("attempt", lambda: storage.acquire_login_attempt(email))),
        ("acquire_attempt", lambda: storage.acquire_attempt("ip", "192.0.2.1")),
        ("record_failed_attempt", lambda: storage.record_failed_attempt(email, kept["attempt"].attempt_id)),
        ("get_lockout_status", lambda: storage.get_lockout_status(email)),
        ("list_failed_attempts", lambda: storage.list_failed_attempts(email)),
        ("clear_attempts", lambda: storage.clear_attempts(email, attempt_id=kept["attempt"].attempt_id)),
        ("clear_attempts", lambda: storage.clear_attempts(email)),
        ("clear_attempt", lambda: storage.clear_attempt("ip", "192.0.2.1", attempt_id=kept["attempt"].attempt_id)),
        ("set_locked_at", lambda: storage.set_locked_at(ada, now)),
        ("get_locked_at", lambda: storage.get_locked_at(ada)),
        ("set_locked_at", lambda: storage.set_locked_at(ada, None)),
        ("cleanup_old_attempts", lambda: storage.cleanup_old_attempts(email, before=now + SOON)),
        ("create_session", lambda: storage.create_session(new_session)),
        ("delete_sessions_for_user", lambda: storage.delete_sessions_for_user(ada)),
        ("remove_ended_sessions", lambda: storage.remove_ended_sessions(ada)),
        ("remove_password_hash", lambda: storage.remove_password_hash(ada)),
        ("delete_passkey", lambda: storage.delete_passkey(ada, credential, allow_verified_email=True)),
        ("delete_passkeys_for_user", lambda: storage.delete_passkeys_for_user(ada, allow_verified_email=True)),
        ("update_user", lambda: storage.update_user(storage.get_user(ada), email="new@example.com")),  # type: ignore[arg-type]
        ("delete_user", lambda: storage.delete_user(ada)),
        ("cleanup", storage.cleanup),
        ("settle", storage.settle),
        ("cleanup_expired_sessions", storage.cleanup_expired_sessions),
        ("cleanup_expired_tokens", storage.cleanup_expired_tokens),
    ]
