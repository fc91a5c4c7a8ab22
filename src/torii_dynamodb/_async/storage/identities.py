"""What OAuth accounts and passkeys share: an identity that the user lists, added and removed in one transaction."""

from __future__ import annotations

from torii_dynamodb._async.storage.base import failed, no_such_user, old_item
from torii_dynamodb._async.storage.passwords import AsyncPasswords
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._rules import validation

__all__ = ["AsyncIdentities"]


class AsyncIdentities(AsyncPasswords):
    """Adding, listing and removing identities other than the e-mail address."""

    async def _add_identity(
        self,
        user_id: str,
        item: Item,
        what: str,
        *,
        session_epoch: int | None,
        provider: str | None = None,
        joining: bool = False,
    ) -> Item:
        """Claim an identity for a user.

        Args:
            user_id: Who is to hold it.
            item: The identity.
            what: What it is called in an error.
            session_epoch: The user's epoch when this was begun, which must still be theirs.
            provider: Whose account it is, if it is one.
            joining: Whether a provider that the user disconnected is refused; else it is connected again.

        Returns:
            The identity's item: the given one, or the one that the user holds already.
        """
        claim = {"Put": ex.put(self._identities, item, users.NOT_TAKEN)}
        epoch = validation.session_epoch(session_epoch)
        listed = users.add_identity(
            self._users,
            user_id,
            item["id"]["S"],
            self._now(),
            session_epoch=epoch,
            provider=provider,
            joining=joining,
        )
        refused = await self._transact(claim, listed)
        if refused is None:
            return item
        holder, user = old_item(refused, 0), old_item(refused, 1)
        request_id = refused.request_id
        if holder is not None:
            if holder.get("user_id") == {"S": user_id}:
                return holder
            raise users.taken(what, request_id) from refused.strip()
        if failed(refused, 1) and user is not None:
            held = users.read(user)
            if epoch is not None and held.session_epoch != epoch:
                raise users.revoked(request_id) from refused.strip()
            if joining and provider in held.disconnected:
                raise users.disconnected(request_id) from refused.strip()
            raise users.too_many_identities(request_id) from refused.strip()
        raise no_such_user(request_id) from refused.strip()

    async def _remove_identity(
        self,
        user_id: str,
        identity: str,
        what: str,
        *,
        allow_verified_email: bool,
        session_epoch: int | None,
        provider: str | None = None,
    ) -> bool:
        """Give an identity up, unless it is the last way to sign in. The conditions decide, not a read before."""
        listed = users.remove_identity(
            self._users,
            user_id,
            identity,
            self._now(),
            allow_verified_email=allow_verified_email,
            session_epoch=session_epoch,
            provider=provider,
        )
        refused = await self._transact(users.delete_owned(self._identities, identity, user_id), listed)
        if refused is None:
            return True
        if failed(refused, 0):
            return False
        item = old_item(refused, 1)
        user = None if item is None else users.read(item)
        if user is not None and identity in user.identities:
            users.check_epoch(user, session_epoch, refused.request_id)
            raise users.last_sign_in_method(what, refused.request_id) from refused.strip()
        return False

    async def _list_identities(self, user_id: str, prefix: str) -> list[Item]:
        """The items of a user's identities of one kind, strongly consistent: the user lists them."""
        user = await self._read_user(user_id, consistent=True)
        if user is None:
            return []
        names = sorted(name for name in user.identities if name.startswith(prefix))
        items = await self._client.batch_get([(self._identities, users.key(name)) for name in names], consistent=True)
        # One that names another user is not theirs; one that names nobody is theirs, and cannot be read.
        return [item for item in items if item is not None and item.get("user_id", {}).get("S", user_id) == user_id]
