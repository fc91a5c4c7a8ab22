"""Passkeys and challenges on DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb import _core
from torii_dynamodb._async.contract import AsyncPasskeyStorage
from torii_dynamodb._async.storage.base import AsyncStorageBase, old_item
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.keys import PASSKEY, challenge_key, item_key, passkey_key
from torii_dynamodb._rules import validation

if TYPE_CHECKING:
    from torii_dynamodb.models import (
        CeremonyKind,
        Listing,
        NewPasskey,
        NewPasskeyChallenge,
        Passkey,
        PasskeyChallenge,
        User,
    )

__all__ = ["AsyncPasskeys"]


class AsyncPasskeys(AsyncStorageBase, AsyncPasskeyStorage):
    """``PasskeyStorage`` on DynamoDB."""

    async def add_passkey(self, new_passkey: NewPasskey, *, session_epoch: int | None = None) -> Passkey:
        model = _core.passkeys.passkey_model(_core.passkeys.checked(new_passkey), self._now())
        item = _core.passkeys.to_item(model)
        return _core.passkeys.read(
            await self._add_identity(model.user_id, item, "passkey", session_epoch=session_epoch)
        )

    async def get_passkey(self, credential_id: bytes, *, consistent: bool | None = None) -> Passkey | None:
        key = item_key(passkey_key(_core.passkeys.credential_id(credential_id)))
        item = await self._get(self._identities, key, consistent=self._strong(consistent))
        return None if item is None else _core.passkeys.read(item)

    async def list_passkeys_for_user(self, user_id: str) -> Listing[Passkey]:
        items = await self._list_identities(validation.user_id(user_id), PASSKEY)
        found = reading.listing(items, _core.passkeys.read)
        found.sort(key=lambda passkey: (passkey.created_at, passkey.credential_id))
        return found

    async def rename_passkey(self, user_id: str, credential_id: bytes, name: str) -> Passkey | None:
        identity = passkey_key(_core.passkeys.credential_id(credential_id))
        body = _core.passkeys.rename(self._identities, validation.user_id(user_id), identity, _core.passkeys.name(name))
        if await self._transact(body) is not None:
            return None
        return await self.get_passkey(credential_id, consistent=True)

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
        identity = passkey_key(_core.passkeys.credential_id(credential_id))
        validation.integer(sign_count, "sign_count", least=0, most=_core.passkeys.MAX_SIGN_COUNT)
        validation.flag(allow_decrease, "allow_decrease")
        if backed_up is not None:
            validation.flag(backed_up, "backed_up")
        eligible = _core.passkeys.eligible(backup_eligible, backed_up)
        refused = await self._transact(
            _core.passkeys.used(
                self._identities,
                user_id,
                identity,
                sign_count,
                self._now(),
                allow_decrease=allow_decrease,
                backup_eligible=eligible,
                backed_up=backed_up,
            )
        )
        if refused is None:
            return await self.get_passkey(credential_id, consistent=True)
        held = old_item(refused, 0)
        if held is None or not users.is_held_by(held, user_id):
            return None
        raise _core.passkeys.cloned(
            _core.passkeys.read(held), sign_count, eligible, refused.request_id
        ) from refused.strip()

    async def delete_passkey(
        self,
        user_id: str,
        credential_id: bytes,
        *,
        allow_verified_email: bool = False,
        session_epoch: int | None = None,
    ) -> bool:
        return await self._remove_identity(
            validation.user_id(user_id),
            passkey_key(_core.passkeys.credential_id(credential_id)),
            "the passkey",
            allow_verified_email=validation.flag(allow_verified_email, "allow_verified_email"),
            session_epoch=validation.session_epoch(session_epoch),
        )

    async def delete_passkeys_for_user(self, user_id: str, *, allow_verified_email: bool = False) -> int:
        validation.user_id(user_id)
        validation.flag(allow_verified_email, "allow_verified_email")
        removed = 0

        def decide(user: User) -> users.Change | None:
            nonlocal removed
            names = sorted(name for name in user.identities if name.startswith(PASSKEY))
            removed = len(names)
            if not names:
                return None
            if not users.has_other_way(user, names, password=True, allow_verified_email=allow_verified_email):
                raise users.last_sign_in_method("the passkeys together")
            return users.drop_identities(self._users, self._identities, user, names, self._now())

        return 0 if await self._change_user(user_id, decide) is None else removed

    async def store_passkey_challenge(self, challenge: NewPasskeyChallenge) -> None:
        now = self._now()
        await self._store_once(
            _core.tokens.challenge_item(_core.tokens.checked_challenge(challenge, now), now), "challenge"
        )

    async def consume_passkey_challenge(self, challenge: bytes, *, kind: CeremonyKind) -> PasskeyChallenge | None:
        key = challenge_key(validation.binary(challenge, "challenge", most=1024))
        item = await self._consume(key, also={"kind": _core.tokens.kind(kind)})
        return None if item is None else _core.tokens.read_challenge(item)
