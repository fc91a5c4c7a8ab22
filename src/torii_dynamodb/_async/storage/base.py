"""The base of the storage's domains, with what more than one of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from torii_dynamodb import _core
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.primitives import Background
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import sessions, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import email_key, item_key, token_key
from torii_dynamodb._core.users import Change
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.secrets import parse_one_time_token
from torii_dynamodb._wire.errors import ConditionFailed, TransactionCanceled
from torii_dynamodb._wire.facts import REASON_KINDS
from torii_dynamodb.config import DynamoDbConfig, TableName
from torii_dynamodb.errors import AlreadyExists, NotFound, RequestRejected, Unavailable

if TYPE_CHECKING:
    from torii_dynamodb._async.cache import AsyncCachedClient, AsyncGuardedCache
    from torii_dynamodb._async.laid_out import AsyncLaidOutClient
    from torii_dynamodb._core.layout import Layout
    from torii_dynamodb.models import PasswordCredentials, User, VerifiedToken

__all__ = ["ROUNDS", "AsyncStorageBase", "contended", "failed", "no_such_user", "old_item", "undecided"]

# Each round means that another writer of the same item was first; this many in a row do not happen by chance.
ROUNDS = 20


class AsyncStorageBase:
    """The client, the table names, the clock, and how everything is read and written.

    A single conditional write is built so that its retry recognises itself. Everything else is a transaction, even of
    one item: its ``ClientRequestToken`` makes the retry of an applied write succeed, even if others have written since.
    """

    def __init__(
        self,
        client: AsyncClient,
        config: DynamoDbConfig,
        *,
        local: AsyncClient | None = None,
        tenant: str | None = None,
        background: Background | None = None,
        cache: AsyncGuardedCache | None = None,
    ) -> None:
        self.config = config
        self.tenant_name = tenant
        self._clients = client, local
        self._background = Background() if background is None else background
        self._layout: Layout | None = None
        self._client: AsyncClient | AsyncLaidOutClient | AsyncCachedClient = client
        self._cache = cache
        self._cached: AsyncCachedClient | None = None
        # Session checks read here. With a home Region, this is the local Region and everything else goes to the home.
        self._local: AsyncClient | AsyncLaidOutClient | None = local
        name: Callable[[TableName], str] = config.table_name
        if config.layout == "single" or tenant is not None or cache is not None:
            from torii_dynamodb._async.laid_out import AsyncLaidOutClient
            from torii_dynamodb._core.layout import FiveTables, layout_of

            self._layout = layout = layout_of(config, tenant) or FiveTables(config)
            self._client = laid_out = AsyncLaidOutClient(client, layout)
            if cache is not None:
                from torii_dynamodb._async.cache import AsyncCachedClient

                self._client = self._cached = AsyncCachedClient(laid_out, cache, config, tenant, self._background)
            self._local = None if local is None else AsyncLaidOutClient(local, layout)
            name = layout.name
        self._users = name("users")
        self._sessions = name("sessions")
        self._identities = name("identities")
        self._tokens = name("tokens")
        self._attempts = name("login_attempts")

    def _session_key(self, user_id: str, session_id: str) -> Item:
        return item_key(session_id) if self._layout is None else self._layout.session_key(user_id, session_id)

    def _now(self) -> datetime:
        return self.config.clock()

    def _write_id(self) -> str:
        return users.new_random_version(self.config.random)

    def _strong(self, consistent: bool | None) -> bool:
        return self.config.consistent_reads if consistent is None else validation.flag(consistent, "consistent")

    async def _get(self, table: str, key: Item, *, consistent: bool) -> Item | None:
        answer = await self._client.call("GetItem", {"TableName": table, "Key": key, "ConsistentRead": consistent})
        return answer.get("Item")

    async def _query(
        self, query: dict[str, Any], *, keep: Callable[[Item], bool] | None = None, limit: int | None = None
    ) -> list[Item]:
        """Return the items of all pages that are to be kept, at most ``limit``."""
        found: list[Item] = []
        while True:
            page = await self._client.call("Query", query)
            found += filter(keep, page.get("Items", []))
            start = page.get("LastEvaluatedKey")
            if not start or (limit is not None and len(found) >= limit):
                return found[:limit]
            query = query | {"ExclusiveStartKey": start}

    async def _update(self, body: dict[str, Any]) -> Item | None:
        """Update an item and return it; if the condition fails, return it as it is, ``None`` if it does not exist."""
        try:
            answer = await self._client.call("UpdateItem", body)
        except ConditionFailed as refused:
            return refused.item
        item: Item | None = answer.get("Attributes")
        return item

    async def _read_user(self, user_id: str, *, consistent: bool) -> User | None:
        item = await self._get(self._users, item_key(user_id), consistent=consistent)
        return None if item is None else users.read(item)

    async def _holder(self, normalised: str, *, consistent: bool = True) -> User | None:
        """Return the user who has an address."""
        # Once more if the address moved to another user between the two reads.
        for _ in range(2):
            claim = await self._credentials(normalised, consistent=consistent)
            if claim is None:
                return None
            user = await self._read_user(claim.user_id, consistent=consistent)
            if user is not None and user.email == normalised:
                return user
        return None

    async def _credentials(self, normalised: str, *, consistent: bool = True) -> PasswordCredentials | None:
        item = await self._get(self._identities, item_key(email_key(normalised)), consistent=consistent)
        return None if item is None else _core.passwords.read_credentials(item)

    async def _transact(self, *items: Mapping[str, Mapping[str, Any]]) -> TransactionCanceled | None:
        """Write all items or none.

        Returns:
            ``None``, or the cancellation if conditions failed, which the caller interprets.
        """
        try:
            await self._client.call("TransactWriteItems", ex.transaction(*items))
        except TransactionCanceled as error:
            # A failed condition decides, even if another item was busy at that moment.
            others = [
                reason
                for reason in error.reasons
                if reason.code not in ("None", "ConditionalCheckFailed", *REASON_KINDS)
            ]
            if others or not any(failed(error, index) for index in range(len(items))):
                told = ", ".join(f"{reason.code}: {reason.message}" for reason in others) or str(error)
                raise RequestRejected(
                    f"DynamoDB cancelled a transaction: {told}",
                    aws_code="TransactionCanceledException",
                    request_id=error.request_id,
                ) from error.strip()
            return error
        return None

    async def _change_user(
        self, user_id: str, decide: Callable[[User], Change | None], user: User | None = None
    ) -> User | None:
        """Read a user, decide, write; start again if somebody else wrote in between.

        Args:
            user_id: The user.
            decide: Returns the change of the user as read; ``None`` if there is nothing to do. It may raise.
            user: The user as read, to save the first read.

        Returns:
            The user as stored; ``None`` if there is none.
        """
        for _ in range(ROUNDS):
            if user is None:
                user = await self._read_user(user_id, consistent=True)
            change = None if user is None else decide(user)
            if change is None:
                if self._cached is not None:
                    await self._cached.forget_user(user_id)
                return user
            if await self._transact(*change.items) is None:
                return change.user
            user = None
        raise contended("user")

    async def _existing_user(self, user: User, refused: TransactionCanceled, *, otherwise: str = "email") -> User:
        """Return the existing user if a refused creation was the caller's own retry; otherwise raise.

        Args:
            user: The user to create.
            refused: Why it was refused: the user's own write comes first, then the claim on the address.
            otherwise: What is taken if neither the id nor the address is.
        """
        held, claim = old_item(refused, 0), old_item(refused, 1)
        request_id = refused.request_id
        if undecided(refused, 0) or undecided(refused, 1):
            keys = (self._users, item_key(user.id)), (self._identities, item_key(email_key(user.email)))
            held, claim = await self._client.batch_get(keys, consistent=True)
        if held is not None and users.is_held_by(claim, user.id):
            return users.read(held)
        id_taken = failed(refused, 0) or held is not None
        email_taken = failed(refused, 1) or claim is not None
        what = "user" if id_taken else "email" if email_taken else otherwise
        raise users.taken(what, request_id) from refused.strip()

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
            user_id: The user.
            item: The identity.
            what: What it is called in an error.
            session_epoch: The user's epoch when this began, which must still be current.
            provider: The provider, if it is an OAuth account.
            joining: Whether a disconnected provider is refused; otherwise it is connected again.

        Returns:
            The identity's item: the given one, or the one that the user has already.
        """
        claim = {"Put": ex.put(self._identities, item, ex.NOT_TAKEN)}
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
            if users.is_held_by(holder, user_id):
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
        """Remove an identity, unless it is the last way to sign in. The conditions of the write decide."""
        listed = users.remove_identity(
            self._users,
            user_id,
            identity,
            self._now(),
            allow_verified_email=allow_verified_email,
            session_epoch=session_epoch,
            provider=provider,
        )
        owned = users.delete_owned(self._identities, item_key(identity), user_id)
        refused = await self._transact(owned, listed)
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
        """Return the items of a user's identities of one kind, strongly consistent: the user lists them."""
        user = await self._read_user(user_id, consistent=True)
        if user is None:
            return []
        names = sorted(name for name in user.identities if name.startswith(prefix))
        items = await self._client.batch_get([(self._identities, item_key(name)) for name in names], consistent=True)
        # One that names another user is not theirs; one that names nobody is theirs, but cannot be read.
        return [item for item in items if item is not None and item.get("user_id", {}).get("S", user_id) == user_id]

    async def _held_token(self, token: str, purpose: str) -> VerifiedToken | None:
        """Read a token and its user in one request; ``None`` unless it is valid and unused."""
        parsed = parse_one_time_token(validation.token_argument(token))
        if parsed is None:
            return None
        keys = [(self._tokens, item_key(token_key(purpose, parsed.digest)))]
        if parsed.user_id:
            keys.append((self._users, item_key(parsed.user_id)))
        item, *rest = await self._client.batch_get(keys, consistent=True)
        if not _core.tokens.is_unused(item, self._now()):
            return None
        user = users.read(rest[0]) if rest and rest[0] is not None else None
        return _core.tokens.verified(item, parsed.user_id, user)

    async def _consume(self, key: str, *, also: Mapping[str, str] | None = None) -> Item | None:
        """Use up a one-time item and return it; ``None`` if it is missing, expired or used."""
        write_id = self._write_id()
        item = await self._update(_core.tokens.consume(self._tokens, key, write_id, self._now(), also, returns=True))
        # If the condition failed, it may still be ours: used by an attempt whose response was lost, then expired.
        return item if item is not None and item.get("consumed_by") == {"S": write_id} else None

    async def _store_once(self, item: Item, field: str) -> None:
        """Put a one-time item under a key that the caller chose."""
        try:
            await self._client.call("PutItem", _core.tokens.put_new(self._tokens, item, self._now()))
        except ConditionFailed as refused:
            # A retry finds what its first attempt wrote.
            if refused.item is None or any(refused.item.get(name) != value for name, value in item.items()):
                raise AlreadyExists(
                    field, f"this {field} is stored already; use a new one each time", request_id=refused.request_id
                ) from refused.strip()

    async def _clean_up_sessions(self, user_id: str) -> None:
        """Remove the rows of ended sessions, as configured. They are refused already; this only saves storage."""
        mode = self.config.session_cleanup
        if mode == "background":
            self._background.spawn(lambda: self.remove_ended_sessions(user_id), "removing rows of ended sessions")
        elif mode == "inline":
            await self.remove_ended_sessions(user_id)

    async def remove_ended_sessions(self, user_id: str) -> int:
        """Remove the rows of a user's sessions that can never be valid again. It can be repeated.

        Each page of rows is read *before* the user: a row whose epoch is not the user's by then never will be again.

        Returns:
            How many rows were removed.
        """
        validation.user_id(user_id)
        query, removed = sessions.by_user(self._sessions, user_id), 0
        while True:
            page = await self._client.call("Query", query)
            rows: list[Item] = page.get("Items", [])
            if rows:
                user = await self._read_user(user_id, consistent=True)
                stale = [self._session_key(user_id, session_id) for session_id in sessions.stale(rows, user)]
                await self._client.batch_write([(self._sessions, {"DeleteRequest": {"Key": key}}) for key in stale])
                removed += len(stale)
            start = page.get("LastEvaluatedKey")
            if not start:
                return removed
            query |= {"ExclusiveStartKey": start}


def failed(cancellation: TransactionCanceled, index: int) -> bool:
    """Return whether the condition of an item failed."""
    reasons = cancellation.reasons
    return index < len(reasons) and reasons[index].code == "ConditionalCheckFailed"


def undecided(cancellation: TransactionCanceled, index: int) -> bool:
    """Return whether an item was busy, so its condition was not evaluated."""
    reasons = cancellation.reasons
    return index < len(reasons) and reasons[index].code in REASON_KINDS


def old_item(cancellation: TransactionCanceled, index: int) -> Item | None:
    """Return an item as it was when its condition failed; ``None`` if there was none."""
    return cancellation.reasons[index].item if failed(cancellation, index) else None


def contended(what: str) -> Unavailable:
    """Return the failure of a write that other writers preceded each time."""
    return Unavailable(f"other writers changed the {what} {ROUNDS} times in a row; try again", attempts=ROUNDS)


def no_such_user(request_id: str | None = None) -> NotFound:
    """Return the refusal of a write that names a user who does not exist."""
    return NotFound("user", "there is no such user; nothing was written", request_id=request_id)
