"""The storage on DynamoDB and the in-memory reference get the same commands: all results must be the same.

Hypothesis generates the histories: several users, identities and sessions, old copies of users, a moving clock. Secrets
differ between the two, so they are named (the third session, the fifth token) and each storage gets its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from torii_dynamodb import DynamoDbHandle, DynamoDbStorage
from torii_dynamodb._core.attributes import decode_map
from torii_dynamodb._core.layout import placer
from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import (
    UNSET,
    Factor,
    LockoutPolicy,
    NewFactor,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    OAuthAccount,
    Passkey,
    Session,
    Token,
    User,
    VerifiedToken,
)
from torii_dynamodb.testing import FakeClock, MemoryStorage, conformance

IDS = ("u1", "u2", "u3")
ADDRESSES = ("ada@example.com", "Ada@Example.com", "grace@example.com", "alan@example.com")
SUBJECTS = ("s1", "s2")
CREDENTIALS = (b"credential-1", b"credential-2")
APPS = ("app-1", "app-2")
CODES = ("11111111", "22222222")
MARKS = ("mark-1", "mark-2", "mark-3")
HASHES = tuple(f"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${letter * 20}" for letter in "abc")
POLICY = LockoutPolicy(max_attempts=3, window=timedelta(minutes=1), retention=timedelta(hours=1))


def tables_of(storage: DynamoDbHandle) -> conformance.Dump:
    """Return all items as the five tables contain them, as plain values."""
    dump: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    config, place = storage.config, placer(storage.config)
    with closing(Client(config)) as client:
        for name in map(config.table_name, config.tables):
            answer = client.call("Scan", {"TableName": name, "ConsistentRead": True})
            assert "LastEvaluatedKey" not in answer
            for item in answer["Items"]:
                placed = place(name, item)
                assert placed is not None
                assert placed[1] == storage.tenant_name
                dump[placed[0]].append(decode_map(placed[2]))
    return dump


ids = st.sampled_from(IDS)
addresses = st.sampled_from(ADDRESSES)
hashes = st.sampled_from(HASHES)


@dataclass(frozen=True)
class Pair:
    """The same thing from both storages, each in its own form."""

    real: Any
    model: Any


Call = Callable[[Any, int], object]


class Histories(RuleBasedStateMachine):
    """The commands."""

    engine: LocalEngine
    layout: Literal["tables", "single"] = "tables"
    tenant: str | None = None

    sessions = Bundle("sessions")
    tokens = Bundle("tokens")
    flows = Bundle("flows")
    readings = Bundle("readings")
    attempts = Bundle("attempts")

    @initialize()
    def open(self) -> None:
        """Create new tables, an empty memory and one clock."""
        self.clock = FakeClock()
        self.stack = ExitStack()
        config = self.engine.config(
            table_prefix=f"m{uuid4().hex}", clock=self.clock, session_cleanup="inline", layout=self.layout
        )
        self.real = self.stack.enter_context(DynamoDbStorage.open(config))
        if self.tenant is not None:
            self.real = self.real.tenant(self.tenant)
        self.model = MemoryStorage(clock=self.clock)
        self.secrets: list[str] = []
        self.counter = 0

    def teardown(self) -> None:
        """What is left must be consistent and contain no secret."""
        if hasattr(self, "stack"):
            try:
                dump = tables_of(self.real)
                conformance.check_invariants(dump)
                conformance.check_no_secret(dump, self.secrets)
                conformance.check_no_secret(self.model.dump(), self.secrets)
            finally:
                self.stack.close()

    # How results are compared.

    def both(self, call: Call) -> Pair:
        """Call both and compare the results."""
        self.clock.advance(timedelta(milliseconds=1))
        real, model = self._outcome(call, self.real, 0), self._outcome(call, self.model, 1)
        assert self._plain(real) == self._plain(model)
        return Pair(real, model)

    def _outcome(self, call: Call, storage: Any, side: int) -> object:
        try:
            return call(storage, side)
        except ToriiError as error:
            return (error.code, getattr(error, "what", None), getattr(error, "retry_after", None))

    def _plain(self, answer: Any) -> Any:
        match answer:
            case User():
                return replace(
                    answer,
                    session_epoch=0,
                    password_version="set" if answer.password_version else None,
                    token_serials={},
                )
            case Session():
                return replace(answer, id="", epoch=0, token="")
            case Token():
                return replace(answer, id="", token="")
            case VerifiedToken():
                return (self._plain(answer.token), self._plain(answer.user))
            case OAuthAccount() | Passkey():
                return answer
            case tuple() | list():
                return [self._plain(inner) for inner in answer]
            case _:
                return answer

    def _next(self) -> int:
        self.counter += 1
        return self.counter

    @property
    def _later(self) -> Any:
        return self.clock() + timedelta(minutes=10)

    # Time.

    @rule(seconds=st.sampled_from((1, 30, 61, 400, 4000)))
    def time_passes(self, seconds: int) -> None:
        """Tokens, sessions, attempts and audit rows age."""
        self.clock.advance(timedelta(seconds=seconds))

    # Users.

    @rule(target=readings, user_id=ids, email=addresses, password=st.none() | hashes)
    def create_user(self, user_id: str, email: str, password: str | None) -> Pair:
        """With a chosen id, which may be taken, as may the address."""
        return self.both(lambda s, _: s.create_user(NewUser(id=user_id, email=email), password_hash=password))

    @rule(target=readings, user_id=ids)
    def read_user(self, user_id: str) -> Pair:
        """Keep the user: later commands may pass it when it is stale."""
        return self.both(lambda s, _: s.get_user(user_id))

    @rule(email=addresses)
    def read_by_email(self, email: str) -> None:
        """With any spelling."""
        self.both(lambda s, _: s.get_user_by_email(email))

    @rule(
        reading=readings,
        email=st.just(UNSET) | addresses,
        name=st.just(UNSET) | st.none() | st.just("Ada"),
        metadata=st.just(UNSET) | st.just({"n": 1.0}),
    )
    def update_user(self, reading: Pair, email: Any, name: Any, metadata: Any) -> None:
        """From a read that may be stale."""
        if isinstance(reading.real, User) and isinstance(reading.model, User):
            users = (reading.real, reading.model)
            self.both(lambda s, side: s.update_user(users[side], email=email, name=name, metadata=metadata))

    @rule(user_id=ids, email=addresses, remove=st.booleans())
    def prove_email(self, user_id: str, email: str, remove: bool) -> None:
        """The user's address or another one."""
        self.both(lambda s, _: s.mark_email_verified(user_id, email=email, remove_unproven=remove))

    @rule(user_id=ids)
    def delete_user(self, user_id: str) -> None:
        """The user may not exist."""
        self.both(lambda s, _: s.delete_user(user_id))

    @rule()
    def read_everyone(self) -> None:
        """In one batch, with one id twice."""
        self.both(lambda s, _: s.batch_get_users([*IDS, IDS[0], "nobody"]))

    # Sessions.

    @rule(target=sessions, user_id=ids)
    def sign_in(self, user_id: str) -> Pair:
        """From a fresh read."""
        return self._keep(self.both(lambda s, _: s.create_session(NewSession(user_id=user_id, expires_at=self._later))))

    @rule(target=sessions, reading=readings)
    def sign_in_from_reading(self, reading: Pair) -> Pair:
        """From a read that may be stale: then the session must be invalid."""
        if not isinstance(reading.real, User) or not isinstance(reading.model, User):
            return Pair(None, None)
        users = (reading.real, reading.model)
        new = NewSession(user_id=reading.real.id, expires_at=self._later)
        return self._keep(self.both(lambda s, side: s.create_session(new, user=users[side])))

    def _keep(self, pair: Pair) -> Pair:
        for side in (pair.real, pair.model):
            if isinstance(side, Session | Token) and side.token:
                self.secrets.append(side.token)
        return pair

    @rule(session=sessions)
    def check_session(self, session: Pair) -> None:
        """Valid on both or on neither."""
        if isinstance(session.real, Session):
            tokens = (session.real.token, session.model.token)
            self.both(lambda s, side: s.get_signed_in(tokens[side]))
            named = ((session.real.user_id, session.real.id), (session.model.user_id, session.model.id))
            self.both(lambda s, side: s.get_signed_in_by_id(*named[side]))

    @rule(user_id=ids)
    def list_sessions(self, user_id: str) -> None:
        """Each user's valid sessions. Ids differ between the two, and so does the order of equal times."""
        self.both(lambda s, _: sorted(found.created_at for found in s.list_sessions_for_user(user_id)))

    @rule(session=sessions, minutes=st.integers(1, 30))
    def extend_session(self, session: Pair, minutes: int) -> None:
        """The result of extending a revoked session is not defined; the result of a later check is."""
        if isinstance(session.real, Session):
            tokens = (session.real.token, session.model.token)
            end = self.clock() + timedelta(minutes=minutes)
            self.real.refresh_session(tokens[0], expires_at=end)
            self.model.refresh_session(tokens[1], expires_at=end)
            self.both(lambda s, side: s.get_signed_in(tokens[side]))

    @rule(session=sessions)
    def sign_out(self, session: Pair) -> None:
        """Possibly again."""
        if isinstance(session.real, Session):
            tokens = (session.real.token, session.model.token)
            self.both(lambda s, side: s.delete_session(tokens[side]))

    @rule(session=sessions, user_id=ids)
    def end_device(self, session: Pair, user_id: str) -> None:
        """Possibly another user's."""
        if isinstance(session.real, Session):
            self.real.delete_session_by_id(user_id, session.real.id)
            self.model.delete_session_by_id(user_id, session.model.id)
            self.check_session(session)

    @rule(user_id=ids)
    def sign_out_everywhere(self, user_id: str) -> None:
        """Epochs are random, so only the existence of the user is compared."""
        self.both(lambda s, _: s.delete_sessions_for_user(user_id) is None)

    # Passwords.

    @rule(user_id=ids, password=hashes)
    def set_password(self, user_id: str, password: str) -> None:
        """Whatever was there."""
        self.both(lambda s, _: s.set_password_hash(user_id, password))

    @rule(reading=readings, password=hashes)
    def set_password_expecting(self, reading: Pair, password: str) -> None:
        """Only over the password that was read."""
        if isinstance(reading.real, User) and isinstance(reading.model, User):
            users = (reading.real, reading.model)
            self.both(
                lambda s, side: s.set_password_hash(
                    users[side].id, password, expected_version=users[side].password_version, user=users[side]
                )
            )

    @rule(reading=readings, subject=st.sampled_from(SUBJECTS), password=hashes)
    def complete_what_was_begun(self, reading: Pair, subject: str, password: str) -> None:
        """With the epoch of a read, which may be over."""
        if isinstance(reading.real, User) and isinstance(reading.model, User):
            users, user_id = (reading.real, reading.model), reading.real.id
            account = NewOAuthAccount(provider="google", subject=subject)
            passkey = NewPasskey(user_id=user_id, credential_id=CREDENTIALS[0], public_key=b"key")
            self.both(lambda s, side: s.link_oauth_account(user_id, account, session_epoch=users[side].session_epoch))
            self.both(lambda s, side: s.add_passkey(passkey, session_epoch=users[side].session_epoch))
            self.both(lambda s, side: s.set_password_hash(user_id, password, session_epoch=users[side].session_epoch))

    @rule(user_id=ids, email=addresses, old=hashes, new=hashes)
    def rehash(self, user_id: str, email: str, old: str, new: str) -> None:
        """Only over the given hash."""
        self.both(lambda s, _: s.rehash_password(user_id, email=email, old_hash=old, new_hash=new))

    @rule(user_id=ids, verified=st.booleans())
    def remove_password(self, user_id: str, verified: bool) -> None:
        """Unless it is the last sign-in method."""
        self.both(lambda s, _: s.remove_password_hash(user_id, allow_verified_email=verified))

    @rule(user_id=ids, email=addresses)
    def read_password(self, user_id: str, email: str) -> None:
        """By id and by address."""
        self.both(lambda s, _: s.get_password_hash(user_id))
        self.both(
            lambda s, _: (
                (found := s.get_credentials_by_email(email))
                and (found.user_id, found.email, found.password_hash, found.password_version is None)
            )
        )

    # Identities.

    @rule(user_id=ids, subject=st.sampled_from(SUBJECTS), joining=st.booleans())
    def link(self, user_id: str, subject: str, joining: bool) -> None:
        """Possibly another user's, possibly disconnected before."""
        account = NewOAuthAccount(provider="google", subject=subject)
        self.both(lambda s, _: s.link_oauth_account(user_id, account, joining=joining))

    @rule(user_id=ids, email=addresses, subject=st.sampled_from(SUBJECTS))
    def sign_up_by_provider(self, user_id: str, email: str, subject: str) -> None:
        """All of it or nothing. If several things are taken, any of them may be reported."""

        def call(storage: Any, _: int) -> object:
            try:
                return storage.create_oauth_account(
                    NewUser(id=user_id, email=email), NewOAuthAccount(provider="google", subject=subject)
                )
            except ToriiError as error:
                return error.code

        self.both(call)

    @rule(user_id=ids, subject=st.sampled_from(SUBJECTS), verified=st.booleans())
    def unlink(self, user_id: str, subject: str, verified: bool) -> None:
        """Unless it is the last sign-in method."""
        self.both(lambda s, _: s.unlink_oauth_account(user_id, "google", subject, allow_verified_email=verified))

    @rule(user_id=ids, subject=st.sampled_from(SUBJECTS))
    def read_accounts(self, user_id: str, subject: str) -> None:
        """By user and by subject."""
        self.both(lambda s, _: s.list_oauth_accounts_for_user(user_id))
        self.both(lambda s, _: s.get_user_by_provider_and_subject("google", subject))

    @rule(user_id=ids, subject=st.sampled_from(SUBJECTS))
    def update_account(self, user_id: str, subject: str) -> None:
        """By its holder or another user."""
        self.both(lambda s, _: s.update_oauth_account(user_id, "google", subject, profile={"seen": 1}))

    @rule(user_id=ids, credential=st.sampled_from(CREDENTIALS), count=st.integers(0, 2))
    def add_passkey(self, user_id: str, credential: bytes, count: int) -> None:
        """Possibly another user's."""
        new = NewPasskey(user_id=user_id, credential_id=credential, public_key=b"key", sign_count=count)
        self.both(lambda s, _: s.add_passkey(new))

    @rule(
        user_id=ids,
        credential=st.sampled_from(CREDENTIALS),
        count=st.integers(0, 3),
        decrease=st.booleans(),
        eligible=st.sampled_from([None, True, False]),
        backed_up=st.sampled_from([None, True, False]),
    )
    def use_passkey(
        self,
        user_id: str,
        credential: bytes,
        count: int,
        decrease: bool,
        eligible: bool | None,
        backed_up: bool | None,
    ) -> None:
        """With a count that goes up or not, and a different backup state or not."""
        self.both(
            lambda s, _: s.update_passkey_use(
                user_id,
                credential,
                sign_count=count,
                allow_decrease=decrease,
                backup_eligible=eligible,
                backed_up=backed_up,
            )
        )

    @rule(user_id=ids, credential=st.sampled_from(CREDENTIALS), verified=st.booleans())
    def delete_passkey(self, user_id: str, credential: bytes, verified: bool) -> None:
        """Unless it is the last sign-in method."""
        self.both(lambda s, _: s.delete_passkey(user_id, credential, allow_verified_email=verified))

    @rule(user_id=ids, verified=st.booleans())
    def delete_passkeys(self, user_id: str, verified: bool) -> None:
        """All or none."""
        self.both(lambda s, _: s.delete_passkeys_for_user(user_id, allow_verified_email=verified))

    @rule(user_id=ids, credential=st.sampled_from(CREDENTIALS), name=st.sampled_from(("Laptop", "Phone")))
    def passkeys(self, user_id: str, credential: bytes, name: str) -> None:
        """Rename, read and list."""
        self.both(lambda s, _: s.rename_passkey(user_id, credential, name))
        self.both(lambda s, _: s.get_passkey(credential))
        self.both(lambda s, _: s.list_passkeys_for_user(user_id))

    # One-time secrets.

    @rule(
        target=tokens,
        user_id=ids,
        purpose=st.sampled_from(("magic_link", "password_reset")),
        revoke=st.booleans(),
    )
    def issue(self, user_id: str, purpose: str, revoke: bool) -> Pair:
        """For a user that may not exist."""
        new = NewToken(purpose=purpose, user_id=user_id, expires_at=self._later, revoke_earlier=revoke)
        return self._keep(self.both(lambda s, _: s.create_token(new)))

    @rule(token=tokens, purpose=st.sampled_from(("magic_link", "password_reset")), use=st.booleans())
    def try_token(self, token: Pair, purpose: str, use: bool) -> None:
        """Check or consume it, for its purpose or another."""
        if isinstance(token.real, Token):
            texts = (token.real.token, token.model.token)
            if use:
                self.both(lambda s, side: s.verify_token(texts[side], purpose=purpose))
            else:
                self.both(lambda s, side: s.check_token(texts[side], purpose=purpose))

    @rule(token=consumes(tokens), password=hashes)
    def reset(self, token: Pair, password: str) -> None:
        """With a token that may be for another purpose, invalid or used."""
        if isinstance(token.real, Token):
            texts = (token.real.token, token.model.token)
            self.both(lambda s, side: s.complete_password_reset(texts[side], password))

    @rule(
        token=consumes(tokens),
        purpose=st.sampled_from(("magic_link", "password_reset")),
        email=st.none() | addresses,
        how=st.sampled_from(("keep", "set", "remove")),
    )
    def prove(self, token: Pair, purpose: str, email: str | None, how: str) -> None:
        """With a token that may be for another purpose, invalid or used; for the user's address or another."""
        if isinstance(token.real, Token):
            texts = (token.real.token, token.model.token)
            password = HASHES[0] if how == "set" else None
            self.both(
                lambda s, side: s.complete_email_proof(
                    texts[side], purpose=purpose, new_email=email, keep=how == "keep", password_hash=password
                )
            )

    # Codes from mails.

    @rule(target=flows, user_id=ids, code=st.sampled_from(CODES))
    def issue_code(self, user_id: str, code: str) -> Pair:
        """For a user who may not exist."""
        new = NewToken(purpose="magic_link", user_id=user_id, expires_at=self._later)
        return self._keep(self.both(lambda s, _: s.create_code(new, code)))

    @rule(flow=flows, code=st.sampled_from(CODES), purpose=st.sampled_from(("magic_link", "password_reset")))
    def try_code(self, flow: Pair, code: str, purpose: str) -> None:
        """Right or wrong, perhaps once too often, for its purpose or another."""
        if isinstance(flow.real, Token):
            texts = (flow.real.token, flow.model.token)
            self.both(lambda s, side: s.try_code(texts[side], code, purpose=purpose))
            self.both(lambda s, side: s.verify_token(texts[side], purpose=purpose))

    # Second factors.

    @rule(user_id=ids, factor_id=st.sampled_from(APPS), step=st.integers(0, 3))
    def add_factor(self, user_id: str, factor_id: str, step: int) -> None:
        """Perhaps again."""
        new = NewFactor(user_id=user_id, id=factor_id, secret=f"sealed-{step}".encode(), last_step=step)
        self.both(lambda s, _: isinstance(s.add_factor(new), Factor))

    @rule(reading=readings, factor_id=st.sampled_from(APPS), how=st.sampled_from(("add", "codes", "remove", "all")))
    def change_factors_as_begun(self, reading: Pair, factor_id: str, how: str) -> None:
        """Under the epoch of a reading, which may be over."""
        if isinstance(reading.real, User) and isinstance(reading.model, User):
            epochs, user_id = (reading.real.session_epoch, reading.model.session_epoch), reading.real.id
            new = NewFactor(user_id=user_id, id=factor_id, secret=b"sealed", last_step=0)

            def call(storage: Any, side: int) -> object:
                if how == "add":
                    return isinstance(storage.add_factor(new, session_epoch=epochs[side]), Factor)
                if how == "codes":
                    return storage.set_recovery_codes(user_id, MARKS, session_epoch=epochs[side])
                if how == "remove":
                    return storage.remove_factor(user_id, factor_id, session_epoch=epochs[side])
                return storage.remove_factors_for_user(user_id, session_epoch=epochs[side])

            self.both(call)

    @rule(user_id=ids, factor_id=st.sampled_from((*APPS, "recovery", "passkey")))
    def remove_factor(self, user_id: str, factor_id: str) -> None:
        """May not be there."""
        self.both(lambda s, _: s.remove_factor(user_id, factor_id))

    @rule(user_id=ids, enabled=st.booleans())
    def use_passkeys(self, user_id: str, enabled: bool) -> None:
        """Or no longer."""
        self.both(lambda s, _: s.use_passkeys_as_factor(user_id, enabled))

    @rule(user_id=ids, factor_id=st.sampled_from(APPS), step=st.integers(0, 6))
    def accept_step(self, user_id: str, factor_id: str, step: int) -> None:
        """A later step or an earlier one."""
        self.both(lambda s, _: s.accept_totp_step(user_id, factor_id, step))

    @rule(user_id=ids, marks=st.sets(st.sampled_from(MARKS), min_size=1))
    def set_recovery_codes(self, user_id: str, marks: set[str]) -> None:
        """In place of earlier ones."""
        self.both(lambda s, _: s.set_recovery_codes(user_id, marks))

    @rule(user_id=ids, mark=st.sampled_from(MARKS))
    def use_recovery_code(self, user_id: str, mark: str) -> None:
        """Perhaps used already."""
        self.both(lambda s, _: s.use_recovery_code(user_id, mark))

    @rule(user_id=ids)
    def list_and_reseal(self, user_id: str) -> None:
        """As read before, and as stored now; and each by its id."""
        for factor_id in (*APPS, "recovery"):
            self.both(lambda s, _, factor_id=factor_id: s.get_factor(user_id, factor_id))  # type: ignore[misc]
        listed = self.both(lambda s, _: s.list_factors_for_user(user_id))
        for real, model in zip(listed.real, listed.model, strict=True):
            if real.kind == "totp":
                read = (real, model)
                self.both(lambda s, side, read=read: s.reseal_factor(read[side], b"sealed anew"))  # type: ignore[misc]
                self.both(lambda s, side, read=read: s.reseal_factor(read[side], b"again"))  # type: ignore[misc]

    @rule(number=st.integers(0, 2), verb=st.sampled_from(("store", "get", "consume")))
    def pkce(self, number: int, verb: str) -> None:
        """A few states, used again and again."""
        state = f"state-number-{number:020d}"
        if verb == "store":
            verifier = f"{self._next():043d}"
            self.both(lambda s, _: s.store_pkce_verifier(state, verifier, expires_at=self._later))
        elif verb == "get":
            self.both(lambda s, _: s.get_pkce_verifier(state))
        else:
            self.both(lambda s, _: s.consume_pkce_verifier(state))

    @rule(number=st.integers(0, 1), kind=st.sampled_from(("registration", "authentication")), store=st.booleans())
    def challenge(self, number: int, kind: Any, store: bool) -> None:
        """A few challenges, without a user."""
        challenge = bytes([number]) * 32
        if store:
            new = NewPasskeyChallenge(
                challenge=challenge, kind=kind, expires_at=self._later, metadata={"n": self._next()}
            )
            self.both(lambda s, _: s.store_passkey_challenge(new))
        else:
            self.both(lambda s, _: s.consume_passkey_challenge(challenge, kind=kind))

    # Attempts.

    @rule(target=attempts, email=addresses)
    def attempt(self, email: str) -> Pair:
        """Allowed or refused, and for how long."""

        def call(storage: Any, _: int) -> object:
            result = storage.acquire_login_attempt(email, policy=POLICY)
            self._last = result
            return (result.allowed, result.retry_after)

        results = []

        def keeping(storage: Any, side: int) -> object:
            told = call(storage, side)
            results.append(self._last)
            return told

        self.both(keeping)
        return Pair((email, results[0].attempt_id), (email, results[1].attempt_id))

    @rule(attempt=attempts)
    def fail_attempt(self, attempt: Pair) -> None:
        """The audit row of an attempt that was allowed."""
        both = (attempt.real, attempt.model)
        if attempt.real[1]:
            self.both(lambda s, side: s.record_failed_attempt(*both[side], ip_address="192.0.2.1", policy=POLICY))

    @rule(attempt=attempts, named=st.booleans())
    def clear(self, attempt: Pair, named: bool) -> None:
        """All of them, or only if it is the latest."""
        both = (attempt.real, attempt.model)
        self.both(lambda s, side: s.clear_attempts(both[side][0], attempt_id=both[side][1] if named else None))

    @rule(email=addresses)
    def read_attempts(self, email: str) -> None:
        """The status, and the number of audit rows."""
        self.both(lambda s, _: s.get_lockout_status(email, policy=POLICY))
        self.both(lambda s, _: len(s.list_failed_attempts(email)))

    @rule(user_id=ids, lock=st.booleans())
    def lock(self, user_id: str, lock: bool) -> None:
        """An administrator's lock."""
        moment = self.clock() if lock else None
        self.both(lambda s, _: s.set_locked_at(user_id, moment))
        self.both(lambda s, _: s.get_locked_at(user_id))

    @invariant()
    def nothing_is_lost(self) -> None:
        """Both contain the same users."""
        if hasattr(self, "real"):
            self.both(lambda s, _: s.batch_get_users(IDS))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("where", "whose", "short"), [("tables", None, 40), ("single", None, 20), ("single", "acme", 8)]
)
def test_dynamodb_and_the_reference_answer_alike(
    dynoxide: LocalEngine, where: Literal["tables", "single"], whose: str | None, short: int
) -> None:
    """For any history, both give the same results, and the tables are consistent and contain no secret."""

    class Here(Histories):
        engine = dynoxide
        layout = where
        tenant = whose

    examples, steps = (400 if os.environ.get("TORII_LONG") else short), 40
    limits = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Here, settings=limits)
