"""Users on DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from torii_dynamodb import _core, models
from torii_dynamodb._async.contract import AsyncUserStorage
from torii_dynamodb._async.storage.base import ROUNDS, AsyncStorageBase, failed, no_such_user, old_item
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import email_key, item_key
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._wire.errors import TransactionCanceled
from torii_dynamodb.errors import AlreadyExists, CorruptItem, ValidationError, VersionConflict
from torii_dynamodb.models import UNSET, User

if TYPE_CHECKING:
    from torii_dynamodb.legacy import ImportedUser
    from torii_dynamodb.models import Metadata, NewUser, Unset

__all__ = ["AsyncUsers"]

_CONFLICT = "the user has changed since it was read; read it again, then decide again"


class AsyncUsers(AsyncStorageBase, AsyncUserStorage):
    """``UserStorage`` on DynamoDB."""

    async def create_user(self, new_user: NewUser, *, password_hash: str | None = None) -> User:
        user = users.new_user_model(new_user, password_hash, self._now(), self.config.random)
        refused = await self._transact(*users.creation(self._users, self._identities, user, password_hash))
        return user if refused is None else await self._existing_user(user, refused)

    async def import_user(self, imported: ImportedUser) -> tuple[User, bool]:
        # Imported here: hardly any process imports users, and its classes take a cold start milliseconds.
        from torii_dynamodb._core import importing

        new = importing.arrival(imported, self._now(), self.config.random)
        refused = await self._transact(*importing.creation(self._users, self._identities, new))
        if refused is None:
            return new.user, True
        taken = (importing.what(one) for index, one in enumerate(new.belongings.values(), 2) if failed(refused, index))
        return await self._existing_user(new.user, refused, otherwise=next(taken, "email")), False

    async def get_user(self, user_id: str, *, consistent: bool | None = None) -> User | None:
        strong = self._strong(consistent)
        return await self._read_user(validation.user_id(user_id), consistent=strong)

    async def get_user_by_email(self, email: str, *, consistent: bool | None = None) -> User | None:
        normalised = normalise_email(email).normalised
        strong = self._strong(consistent)
        if strong or self.config.layout == "single":
            return await self._holder(normalised, consistent=strong)
        found = await self._query(users.by_email(self._users, normalised))
        return users.read(found[0]) if found else None

    async def get_or_create_user_by_email(self, email: str, *, name: str | None = None) -> tuple[User, bool]:
        new_user = models.NewUser(email=email, name=name)
        users.new_user_model(new_user, None, self._now(), self.config.random)
        for _ in range(ROUNDS):
            user = await self.get_user_by_email(email, consistent=True)
            if user is not None:
                return user, False
            # If another caller was first, read their user (and if that is deleted by then, try again).
            with suppress(AlreadyExists):
                return await self.create_user(new_user), True
        # This many in a row do not happen by chance: the claim on the address leads to no user who has it.
        raise CorruptItem("identities", "user_id", "an email identity names no user who has the address")

    async def update_user(
        self,
        user: User,
        *,
        email: str | Unset = UNSET,
        name: str | None | Unset = UNSET,
        metadata: Metadata | Unset = UNSET,
    ) -> User:
        validation.instance(user, "user", User)
        after = users.profile_change(
            user, self._now(), email=email, name=name, metadata=metadata, serial=self._write_id()
        )
        if after.email == user.email:
            refused = await self._transact(users.update_if_version(self._users, user, after))
            if refused is None:
                return after
            raise self._stale(refused)
        for _ in range(ROUNDS):
            claim = await self._get(self._identities, item_key(email_key(user.email)), consistent=True)
            if claim is None or _core.passwords.read_credentials(claim).password_version != user.password_version:
                current = await self._read_user(user.id, consistent=True)
                raise no_such_user() if current is None else VersionConflict(_CONFLICT)
            change = _core.passwords.move_email(self._users, self._identities, user, after, claim)
            refused = await self._transact(*change.items)
            if refused is None:
                return after
            if failed(refused, 0):
                raise self._stale(refused)
            if failed(refused, 1):
                raise users.taken("email", refused.request_id) from refused.strip()
            # Only the hash was replaced, by a stronger one of the same password: move that.
        raise VersionConflict(_CONFLICT)

    def _stale(self, refused: TransactionCanceled) -> Exception:
        gone, request_id = old_item(refused, 0) is None, refused.request_id
        error = no_such_user(request_id) if gone else VersionConflict(_CONFLICT, request_id=request_id)
        error.__cause__ = refused.strip()
        return error

    async def mark_email_verified(
        self, user_id: str, *, email: str, remove_unproven: bool = False, session_epoch: int | None = None
    ) -> User | None:
        validation.user_id(user_id)
        validation.flag(remove_unproven, "remove_unproven")
        proved = normalise_email(email).normalised
        epoch = validation.session_epoch(session_epoch)

        def decide(user: User) -> users.Change | None:
            if user.email != proved or user.is_email_verified:
                return None
            users.check_epoch(user, epoch)
            return _core.passwords.prove_email(
                self._users, self._identities, user, self._now(), remove_unproven=remove_unproven
            )

        user = await self._change_user(user_id, decide)
        return user if user is not None and user.email == proved else None

    async def delete_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        validation.user_id(user_id)
        epoch = validation.session_epoch(session_epoch)

        def decide(user: User) -> users.Change:
            users.check_epoch(user, epoch)
            return users.Change(user, users.deletion(self._users, self._identities, user))

        deleted = await self._change_user(user_id, decide)
        await self._clean_up_sessions(user_id)
        return deleted is not None

    async def batch_get_users(self, user_ids: Sequence[str], *, consistent: bool | None = None) -> list[User | None]:
        if isinstance(user_ids, str | bytes) or not isinstance(user_ids, Sequence):
            raise ValidationError("user_ids", f"give a list of ids, not {type(user_ids).__name__}")
        keys = [(self._users, item_key(validation.user_id(user_id, "user_ids"))) for user_id in user_ids]
        items = await self._client.batch_get(keys, consistent=self._strong(consistent))
        return [None if item is None else users.read(item) for item in items]

    async def list_users(self, *, limit: int = 100, cursor: str | None = None) -> models.Page[User]:
        validation.integer(limit, "limit", least=1, most=1000)
        start = None if cursor is None else item_key(validation.user_id(cursor, "cursor"))
        if start is not None and self._layout is not None:
            start = self._layout.key("users", start)
        body = users.scan(self._users, consistent=self.config.consistent_reads)
        items: list[Item] = []
        more = True
        while more and len(items) < limit:
            # A page's limit counts items before they are filtered.
            shared = self._layout is not None and self._layout.shared
            count = min(1000, 4 * limit) if shared else limit - len(items)
            page = await self._client.call("Scan", users.page(body, count, start))
            items += filter(users.is_own, page.get("Items", []))
            start = page.get("LastEvaluatedKey")
            more = start is not None
        more = more or len(items) > limit
        found = reading.listing(items[:limit], users.read)
        return models.Page(tuple(found), items[:limit][-1]["id"]["S"] if more else None, found.corrupt)
