"""Passkeys and WebAuthn challenges in memory."""

from __future__ import annotations

from dataclasses import replace

from torii_dynamodb._async.contract import AsyncPasskeyStorage
from torii_dynamodb._core import keys, tokens
from torii_dynamodb._core import passkeys as core
from torii_dynamodb._rules import validation
from torii_dynamodb.errors import AlreadyExists, ClonedAuthenticator
from torii_dynamodb.models import CeremonyKind, Listing, NewPasskey, NewPasskeyChallenge, Passkey, PasskeyChallenge
from torii_dynamodb.testing._memory import inputs, rows
from torii_dynamodb.testing._memory.base import MemoryBase
from torii_dynamodb.testing._memory.state import TokenRow

__all__ = ["AsyncMemoryPasskeys"]


class AsyncMemoryPasskeys(MemoryBase, AsyncPasskeyStorage):
    """The contract's ``AsyncPasskeyStorage``."""

    async def add_passkey(self, new_passkey: NewPasskey, *, session_epoch: int | None = None) -> Passkey:
        new = core.checked(new_passkey)
        validation.session_epoch(session_epoch)
        key = keys.passkey_key(new.credential_id)
        with self._state.lock:
            held = self._holder_or_conflict(key, new.user_id, "passkey")
            user = self._user(new.user_id)
            if isinstance(held, Passkey):
                return held
            self._require_epoch(user, session_epoch)
            passkey = core.passkey_model(new, self._now())
            self._add_identity(user, key, passkey)
            return passkey

    def _passkey(self, key: str) -> Passkey | None:
        identity = self._state.identities.get(key)
        return identity if isinstance(identity, Passkey) else None

    def _held(self, key: str, user_id: str) -> Passkey | None:
        found = self._passkey(key)
        return found if found is not None and found.user_id == user_id else None

    async def get_passkey(self, credential_id: bytes, *, consistent: bool | None = None) -> Passkey | None:
        key = _key(credential_id)
        inputs.consistent(consistent)
        with self._state.lock:
            return self._passkey(key)

    async def list_passkeys_for_user(self, user_id: str) -> Listing[Passkey]:
        validation.user_id(user_id)
        with self._state.lock:
            user = self._state.users.get(user_id)
            found = [self._passkey(key) for key in (() if user is None else user.identities)]
            passkeys = [passkey for passkey in found if passkey is not None]
            return Listing(
                sorted(passkeys, key=lambda passkey: (passkey.created_at, keys.passkey_key(passkey.credential_id)))
            )

    async def rename_passkey(self, user_id: str, credential_id: bytes, name: str) -> Passkey | None:
        validation.user_id(user_id)
        key = _key(credential_id)
        renamed = core.name(name)
        with self._state.lock:
            found = self._held(key, user_id)
            if found is None:
                return None
            changed = replace(found, name=renamed)
            self._state.identities[key] = changed
            return changed

    async def update_passkey_use(
        self,
        user_id: str,
        credential_id: bytes,
        *,
        sign_count: int,
        allow_decrease: bool = False,
        backup_eligible: bool | None = None,
        backed_up: bool | None = None,
    ) -> Passkey | None:
        validation.user_id(user_id)
        key = _key(credential_id)
        count = validation.integer(sign_count, "sign_count", least=0, most=core.MAX_SIGN_COUNT)
        validation.flag(allow_decrease, "allow_decrease")
        if backed_up is not None:
            validation.flag(backed_up, "backed_up")
        eligible = core.eligible(backup_eligible, backed_up)
        with self._state.lock:
            found = self._held(key, user_id)
            if found is None:
                return None
            if not (count > found.sign_count or count == found.sign_count == 0 or allow_decrease):
                raise ClonedAuthenticator(
                    f"the sign count is {count}, but the stored one is {found.sign_count}",
                    stored=found.sign_count,
                    received=count,
                )
            if found.backup_eligible is not None and eligible not in (None, found.backup_eligible):
                raise ClonedAuthenticator(
                    "the passkey's eligibility for backup changed", stored=found.sign_count, received=count
                )
            changed = replace(
                found,
                sign_count=count,
                last_used_at=self._now(),
                backed_up=found.backed_up if backed_up is None else backed_up,
                backup_eligible=found.backup_eligible if eligible is None else eligible,
            )
            self._state.identities[key] = changed
            return changed

    async def delete_passkey(
        self,
        user_id: str,
        credential_id: bytes,
        *,
        allow_verified_email: bool = False,
        session_epoch: int | None = None,
    ) -> bool:
        validation.user_id(user_id)
        key = _key(credential_id)
        validation.flag(allow_verified_email, "allow_verified_email")
        validation.session_epoch(session_epoch)
        with self._state.lock:
            if self._held(key, user_id) is None:
                return False
            user = self._user(user_id)
            self._require_epoch(user, session_epoch)
            self._remove_identities(user, frozenset({key}), allow_verified_email=allow_verified_email)
            return True

    async def delete_passkeys_for_user(self, user_id: str, *, allow_verified_email: bool = False) -> int:
        validation.user_id(user_id)
        validation.flag(allow_verified_email, "allow_verified_email")
        with self._state.lock:
            user = self._state.users.get(user_id)
            if user is None:
                return 0
            removed = frozenset(key for key in user.identities if self._passkey(key) is not None)
            if removed:
                self._remove_identities(user, removed, allow_verified_email=allow_verified_email)
            return len(removed)

    async def store_passkey_challenge(self, challenge: NewPasskeyChallenge) -> None:
        new = tokens.checked_challenge(challenge, self._now())
        with self._state.lock:
            row = TokenRow(
                id=keys.challenge_key(new.challenge),
                purpose="challenge",
                created_at=self._now(),
                expires_at=new.expires_at,
                metadata=new.metadata,
                user_id=new.user_id,
                kind=new.kind,
            )
            rows.check_size(rows.token_row(row), "the challenge")
            there = self._state.tokens.get(row.id)
            if there is not None and there.expires_at > row.created_at:
                raise AlreadyExists("challenge", "the challenge was used before; make a new one for every ceremony")
            self._state.tokens[row.id] = row

    async def consume_passkey_challenge(self, challenge: bytes, *, kind: CeremonyKind) -> PasskeyChallenge | None:
        key = keys.challenge_key(validation.binary(challenge, "challenge", least=16, most=64))
        ceremony = tokens.kind(kind)
        with self._state.lock:
            row = self._state.tokens.get(key)
            if row is None or row.kind != ceremony or row.consumed_by is not None or self._now() >= row.expires_at:
                return None
            self._consume(row)
            return PasskeyChallenge(
                kind=ceremony,
                user_id=row.user_id,
                created_at=row.created_at,
                expires_at=row.expires_at,
                metadata=inputs.own(row.metadata),
            )


def _key(credential_id: object) -> str:
    return keys.passkey_key(core.credential_id(credential_id))
