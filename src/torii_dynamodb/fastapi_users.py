"""DynamoDB under fastapi-users (extra ``fastapi-users``): the first of two steps from there to this library's services.

:class:`ToriiUserDatabase` takes the place of ``SQLAlchemyUserDatabase``, and :class:`ToriiStrategy` with
:class:`ToriiAccessTokenDatabase` that of ``DatabaseStrategy``. The application's user manager, routers and schemas stay
as they are. What is stored is what the services store, so the second step changes no data. ``docs/moving-in.md`` shows
both steps, and what changes for users.

Some things hold that fastapi-users' own databases do not give:

* Of concurrent registrations of one address, one succeeds, and the others raise ``UserAlreadyExists``.
* A new password, ``is_active=False`` and a deletion end all of the user's sessions, and no sign-in or change that began
  before completes afterwards (it raises ``Revoked`` or ``VersionConflict``).
* Session tokens are stored as SHA-256 only, and providers' tokens are sealed.
* Whoever has a second factor gets no session here (``SecondFactorRequired``).

Not given before the second step, because fastapi-users decides it: a limit on guesses at passwords, single use of its
links before the password changes, and the removal of what a stranger set up before the address was first proved. No
events are emitted and no mails are sent: use the hooks of the user manager.

Errors that fastapi-users has no exception for are this library's.
``app.add_exception_handler(ToriiError, render_problem)`` turns them into responses, with ``render_problem`` from
``torii_dynamodb.fastapi``.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from inspect import get_annotations
from typing import Any, Generic, TypeVar, cast, get_origin, get_type_hints
from uuid import UUID

import pydantic
from fastapi_users.authentication.strategy.db import AccessTokenDatabase, DatabaseStrategy
from fastapi_users.db import BaseUserDatabase
from fastapi_users.exceptions import UserAlreadyExists, UserNotExists
from fastapi_users.manager import BaseUserManager
from fastapi_users.models import ID

from torii_dynamodb._async.primitives import both
from torii_dynamodb._async.services import AsyncTorii
from torii_dynamodb._rules import provider_tokens, validation
from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.provider_tokens import KeptTokens
from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb._rules.times import epoch_seconds, from_epoch_seconds
from torii_dynamodb.clock import RandomBytes, system_random
from torii_dynamodb.errors import (
    AlreadyExists,
    ConfigurationError,
    CorruptItem,
    NotFound,
    Revoked,
    SecondFactorRequired,
    ValidationError,
    VersionConflict,
)
from torii_dynamodb.models import (
    UNSET,
    Metadata,
    NewOAuthAccount,
    NewUser,
    OAuthAccount,
    PasswordCredentials,
    SignedIn,
    Unset,
    User,
)

__all__ = [
    "ToriiAccessToken",
    "ToriiAccessTokenDatabase",
    "ToriiBaseOAuthUser",
    "ToriiBaseUser",
    "ToriiOAuthAccount",
    "ToriiStrategy",
    "ToriiUserDatabase",
]

U = TypeVar("U", bound="ToriiBaseUser[Any]")

_SUPERUSER = "is_superuser"
_FLAGS = ("is_active", "is_verified", _SUPERUSER)
_KNOWN = {"id", "email", "hashed_password", *_FLAGS}
# How often a change that another writer overtook is decided again.
_ROUNDS = 5


@dataclass(kw_only=True)
class ToriiBaseUser(Generic[ID]):
    """A user, as fastapi-users sees it.

    Derive your own, also a dataclass, and add your fields::

        @dataclass(kw_only=True)
        class User(ToriiBaseUser[UUID]):
            first_name: str | None = None

    Your fields are stored in the user's ``metadata``, under their names, as the JSON form that pydantic gives their
    type. A field ``name`` is the user's name; ``created_at`` and ``updated_at`` show the user's, if you do not store
    other ones. Only what ``update`` is given is written: assigning to an attribute stores nothing.

    Args:
        id: The user's id: the stored one, as the type that your application uses.
        email: The address, as the person wrote it.
        is_active: ``False`` while an administrator's lock is on.
        is_superuser: Stored in ``metadata``.
        is_verified: Whether the address was proved to be theirs.

    Attributes:
        hashed_password: The password hash, as it was stored; for a user without a password, one that no password has.
    """

    id: ID
    email: str
    is_active: bool = True
    is_superuser: bool = False
    is_verified: bool = False

    # Not annotated, and so not fields of the dataclass, which serialisers would see.
    hashed_password = ""
    _stored = cast("User | None", None)

    @property
    def stored(self) -> User:
        """The user as read, for this library's services.

        Raises:
            ConfigurationError: This object was not returned by :class:`ToriiUserDatabase`.
        """
        if self._stored is None:
            raise ConfigurationError("this user was not read by ToriiUserDatabase: pass the object that it returned")
        return self._stored


@guarded
@dataclass(kw_only=True)
class ToriiOAuthAccount(Generic[ID]):
    """A linked account, as fastapi-users sees it.

    Args:
        id: Derived from provider and account, and so always the same.
        oauth_name: The provider, 1 to 32 of ``a-z 0-9 _ -``.
        access_token: The provider's access token; empty if none is stored, or if it was sealed under a ``secret`` that
            is no longer configured.
        expires_at: When the access token expires, in seconds since 1970.
        refresh_token: The provider's refresh token.
        account_id: The provider's id for the person.
        account_email: The address that the provider gave; may be empty.
    """

    id: ID
    oauth_name: str
    access_token: str = field(repr=False)
    expires_at: int | None
    refresh_token: str | None = field(repr=False)
    account_id: str
    account_email: str


@dataclass(kw_only=True)
class ToriiBaseOAuthUser(ToriiBaseUser[ID]):
    """A user who may have accounts at providers, oldest first. Reading one takes up to two more requests."""

    oauth_accounts: list[ToriiOAuthAccount[ID]] = field(default_factory=list[ToriiOAuthAccount[ID]])


class ToriiUserDatabase(BaseUserDatabase[U, ID]):
    """Users for fastapi-users' user manager.

    A user is read in two requests: the user, and the password hash. Every object that is passed to a method that
    changes the user is brought up to date in place, as SQLAlchemy does.

    Args:
        torii: The services, with their storage. For providers' accounts, they need a ``secret``.
        user_model: Your user class. Deriving it from :class:`ToriiBaseOAuthUser` switches providers' accounts on.
        id_type: ``UUID``, ``int`` or ``str``, as in your user manager. New users get a random UUID, an integer between
            2**52 and 2**53, or an id made by the storage.
        random: The randomness for ids.

    Raises:
        ConfigurationError: One of them is of another type, or a ``secret`` is missing.
    """

    def __init__(
        self, torii: AsyncTorii, user_model: type[U], id_type: type[ID], *, random: RandomBytes = system_random
    ) -> None:
        check_kind("torii", torii, f"{AsyncTorii.__module__}.AsyncTorii", "AsyncTorii(storage, ...)")
        user_model = get_origin(user_model) or user_model  # ToriiBaseUser[int]
        if not (isinstance(user_model, type) and issubclass(user_model, ToriiBaseUser)):
            raise ConfigurationError("user_model: give a dataclass that derives from ToriiBaseUser")
        if id_type not in (UUID, int, str):
            raise ConfigurationError(f"id_type: give UUID, int or str, not {id_type!r}")
        self.torii = torii
        self.user_model = user_model
        self.id_type = id_type
        self._storage = torii.storage
        self._random = random
        self._fields = _custom_fields(cast("Any", user_model))
        self._oauth = issubclass(user_model, ToriiBaseOAuthUser)
        if self._oauth:
            torii.secret_box  # noqa: B018  # a missing secret is reported now, not at the first sign-in

    async def get(self, id: ID) -> U | None:  # noqa: A002  # the interface's name
        """Return a user; ``None`` if there is none."""
        try:
            stored = await self._storage.get_user(str(id), consistent=True)
        except ValidationError:  # no user has such an id
            return None
        return None if stored is None else await self.load(stored)

    async def get_by_email(self, email: str) -> U | None:
        """Return the user who has an address, in any spelling; ``None`` if nobody has it, or it is not an address."""
        try:
            credentials = await self._storage.get_credentials_by_email(email)
        except ValidationError:
            return None
        # Without a user, the same is read of somebody who does not exist: the time of a wrong sign-in must not tell.
        user_id = hashlib.sha256(email.encode()).hexdigest() if credentials is None else credentials.user_id
        stored, accounts = await both(
            lambda: self._storage.get_user(user_id, consistent=True), lambda: self._accounts_of(user_id)
        )
        return None if stored is None else await self._shown(stored, credentials, accounts)

    async def get_by_oauth_account(self, oauth: str, account_id: str) -> U | None:
        """Return the user who linked an account; ``None`` if nobody has.

        Raises:
            ValidationError: The provider's name or id for the person cannot be stored.
        """
        self._need_oauth()
        subject = _subject(oauth, account_id)
        stored = await self._storage.get_user_by_provider_and_subject(oauth, subject, consistent=True)
        if stored is None:
            return None
        user = await self.load(stored)
        for account in cast("ToriiBaseOAuthUser[ID]", user).oauth_accounts:
            if (account.oauth_name, account.account_id) == (oauth, subject):
                account.account_id = account_id  # the user manager looks for its own spelling
        return user

    async def load(self, stored: User) -> U:
        """Return fastapi-users' view of a user that this library returned, with at most two requests in sequence.

        Raises:
            CorruptItem: Its metadata does not fit the user class.
            ConfigurationError: Its id is not one of ``id_type``.
        """
        credentials, accounts = await both(lambda: self._credentials_of(stored), lambda: self._accounts_of(stored.id))
        return await self._shown(stored, credentials, accounts)

    async def create(self, create_dict: dict[str, Any]) -> U:
        """Create a user. ``id`` may be given, to keep those of another database.

        One write; three for an inactive user, who cannot sign in at any time in between.

        Raises:
            UserAlreadyExists: Another user has the address.
            ValidationError: A value cannot be stored, or is not a field of the user class. Nothing was written.
        """
        given = self._checked(create_dict)
        missing = [name for name, known in self._fields.items() if known.required and name not in create_dict]
        if missing:
            raise ValidationError(missing[0], f"is required to create a {self.user_model.__name__}")
        new_user = NewUser(
            email=given.email or "",
            id=self._new_id() if create_dict.get("id") is None else str(create_dict["id"]),
            name=None if given.name is UNSET else given.name,
            email_verified_at=self.torii.clock() if given.is_verified else None,
            metadata=given.metadata,
        )
        locked = given.is_active is False
        try:
            stored = await self._storage.create_user(new_user, password_hash=None if locked else given.password_hash)
        except AlreadyExists as taken:
            if taken.what == "email":
                raise UserAlreadyExists from taken
            raise
        if locked:
            stored = await self._locked(stored, True)
            if given.password_hash is not None:
                stored = await self._storage.set_password_hash(stored.id, given.password_hash, user=stored)
        return await self.load(stored)

    async def update(self, user: U, update_dict: dict[str, Any]) -> U:
        """Change what is given and nothing else, and bring ``user`` up to date.

        Address, ``is_superuser`` and your own fields change together in one write; ``is_verified``, the password and
        ``is_active`` follow in one write each. If one of them fails, the earlier ones stand; the call can be repeated.

        A new address is unverified, unless ``is_verified=True`` is also given. A verified address does not become
        unverified otherwise. ``is_verified=True`` keeps what was set up before, as with fastapi-users' databases. A new
        password and ``is_active=False`` end all sessions, including the caller's.

        Raises:
            UserAlreadyExists: Another user has the new address.
            UserNotExists: The user was deleted.
            VersionConflict: The password or the address was changed since ``user`` was read.
            Revoked: All of the user's sessions have been ended since ``user`` was read.
            ValidationError: A value cannot be stored, or is not a field of the user class. Nothing was written.
        """
        given, stored = self._checked(update_dict), user.stored
        if update_dict.get("id", user.id) != user.id:
            raise ValidationError("id", "cannot be changed")
        moves = given.email is not None and normalise_email(given.email).normalised != stored.email
        if given.is_verified is False and stored.is_email_verified and not moves:
            raise ValidationError("is_verified", "an address that was proved stays proved; change the address instead")
        try:
            stored = await self._with_profile(stored, given)
            if given.is_verified and not stored.is_email_verified:
                stored = await self._verified(stored)
            if given.password_hash is not None and given.password_hash != user.hashed_password:
                stored = await self._storage.set_password_hash(
                    stored.id,
                    given.password_hash,
                    expected_version=stored.password_version,
                    user=stored,
                    session_epoch=stored.session_epoch,
                )
            if given.is_active is not None and given.is_active is not (stored.locked_at is None):
                stored = await self._locked(stored, not given.is_active)
        except NotFound as gone:
            raise UserNotExists from gone
        return _become(user, await self.load(stored))

    async def delete(self, user: U) -> None:
        """Delete a user with everything that belongs to it.

        Raises:
            Revoked: All of the user's sessions have been ended since ``user`` was read.
        """
        await self._storage.delete_user(user.stored.id, session_epoch=user.stored.session_epoch)

    # Which users have accounts is known here only at run time; the interface narrows `self`.
    async def add_oauth_account(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, user: U, create_dict: dict[str, Any]
    ) -> U:
        """Link an account to a user, and bring ``user`` up to date. The provider's tokens are stored sealed.

        Raises:
            AlreadyExists: Another user has linked the account.
            UserNotExists: The user was deleted.
            Revoked: All of the user's sessions have been ended since ``user`` was read.
            ValidationError: A value cannot be stored.
        """
        self._need_oauth()
        stored, provider = user.stored, create_dict["oauth_name"]
        subject = _subject(provider, create_dict["account_id"])
        account = NewOAuthAccount(
            provider=provider,
            subject=subject,
            email=create_dict["account_email"],
            tokens=await self._sealed(provider, subject, _tokens(create_dict, None)),
        )
        try:
            await self._storage.link_oauth_account(stored.id, account, session_epoch=stored.session_epoch)
        except NotFound as gone:
            raise UserNotExists from gone
        return _become(user, await self.load(await self._current(stored)))

    async def update_oauth_account(  # type: ignore[override]  # the interface leaves the account's type open
        self, user: U, oauth_account: ToriiOAuthAccount[ID], update_dict: dict[str, Any]
    ) -> U:
        """Store what the provider says now. A refresh token that it omits stays.

        Raises:
            NotFound: The user has not linked the account, or no longer has.
            ValidationError: The update names another account, or a value cannot be stored.
        """
        self._need_oauth()
        provider, subject = oauth_account.oauth_name, _subject(oauth_account.oauth_name, oauth_account.account_id)
        if update_dict.get("oauth_name", provider) != provider:
            raise ValidationError("oauth_name", "names another provider; link the account there instead")
        if _subject(provider, update_dict.get("account_id", subject)) != subject:
            raise ValidationError("account_id", "names another account; link that one instead")
        found = await self._storage.update_oauth_account(
            user.stored.id,
            provider,
            subject,
            email=update_dict.get("account_email", UNSET),
            tokens=await self._sealed(provider, subject, _tokens(update_dict, oauth_account)),
        )
        if found is None:
            raise NotFound("oauth_account", "the user has not linked this account, or no longer has")
        return _become(user, await self.load(user.stored))

    # Changing

    async def _with_profile(self, stored: User, given: _Given) -> User:
        email = UNSET if given.email is None or given.email == stored.email_as_given else given.email
        if email is UNSET and given.name is UNSET and not given.metadata:
            return stored
        was = stored.email
        for _ in range(_ROUNDS):
            try:
                return await self._storage.update_user(
                    stored,
                    email=email,
                    name=given.name,
                    metadata={**stored.metadata, **given.metadata} if given.metadata else UNSET,
                )
            except AlreadyExists as taken:
                raise UserAlreadyExists from taken
            except VersionConflict:
                # Something else of the user was changed meanwhile: both changes count.
                stored = await self._current(stored)
                if stored.email != was:
                    raise
        raise VersionConflict("the user kept changing meanwhile, and nothing was written; try again")

    async def _verified(self, stored: User) -> User:
        found = await self._storage.mark_email_verified(
            stored.id, email=stored.email, session_epoch=stored.session_epoch
        )
        if found is None:
            raise VersionConflict("the user's address was changed meanwhile, or the user was deleted: read it again")
        return found

    async def _locked(self, stored: User, locked: bool) -> User:
        found = await self._storage.set_locked_at(stored.id, self.torii.clock() if locked else None)
        if found is None:
            raise UserNotExists
        return found

    async def _current(self, stored: User) -> User:
        """Read a user again, to continue what began with an earlier reading."""
        current = await self._storage.get_user(stored.id, consistent=True)
        if current is None:
            raise UserNotExists
        if current.session_epoch != stored.session_epoch:
            raise Revoked("all of the user's sessions were ended meanwhile; sign in again")
        return current

    def _checked(self, values: Mapping[str, Any]) -> _Given:
        metadata: dict[str, Any] = {}
        for name, value in values.items():
            if name in self._fields:
                metadata[name] = self._fields[name].dump(name, value)
            # fastapi-users passes on a password of None, as it does other fields that a client sends as null.
            elif name not in _KNOWN and not (name == "password" and value is None):
                raise ValidationError(name, f"is not a field of {self.user_model.__name__}; declare it there")
        for name in _FLAGS:
            if not isinstance(values.get(name), bool | None):
                raise ValidationError(name, f"give True or False, not {type(values[name]).__name__}")
        if values.get("hashed_password") is not None:
            validation.password_hash(values["hashed_password"], "hashed_password")
        if values.get(_SUPERUSER) is not None:
            metadata[_SUPERUSER] = values[_SUPERUSER]
        return _Given(
            email=values.get("email"),
            name=metadata.pop("name", UNSET),
            password_hash=values.get("hashed_password"),
            is_active=values.get("is_active"),
            is_verified=values.get("is_verified"),
            metadata=metadata,
        )

    # Reading

    async def _credentials_of(self, stored: User) -> PasswordCredentials | None:
        return await self._storage.get_credentials_by_email(stored.email) if stored.has_password else None

    async def _accounts_of(self, user_id: str) -> list[OAuthAccount]:
        return await self._storage.list_oauth_accounts_for_user(user_id) if self._oauth else []

    async def _shown(
        self, stored: User, credentials: PasswordCredentials | None, accounts: Sequence[OAuthAccount]
    ) -> U:
        values: dict[str, Any] = {}
        if self._oauth:
            values["oauth_accounts"] = [await self._shown_account(account) for account in accounts]
        metadata = {"created_at": stored.created_at, "updated_at": stored.updated_at, **stored.metadata}
        metadata["name"] = stored.name
        for name, known in self._fields.items():
            if name in metadata:
                values[name] = known.load(name, metadata[name], stored.id)
            elif known.required:
                raise CorruptItem(
                    "users", "metadata", f"it has no {name}; give this field of the user class a default", stored.id
                )
        user = self.user_model(
            id=self._parsed(stored.id),
            email=stored.email_as_given,
            is_active=stored.locked_at is None,
            is_superuser=stored.metadata.get(_SUPERUSER) is True,
            is_verified=stored.is_email_verified,
            **values,
        )
        _fill(user, stored, _current_hash(stored, credentials))
        return user

    async def _shown_account(self, account: OAuthAccount) -> ToriiOAuthAccount[ID]:
        tokens = await self._opened(account)
        expires_at = None if tokens is None else tokens.expires_at
        return ToriiOAuthAccount(
            id=_id_of(self.id_type, hashlib.sha256(f"{account.provider}\0{account.subject}".encode()).digest()[:16]),
            oauth_name=account.provider,
            access_token="" if tokens is None else tokens.access_token,
            expires_at=None if expires_at is None else epoch_seconds(expires_at),
            refresh_token=None if tokens is None else tokens.refresh_token,
            account_id=account.subject,
            account_email=account.email or "",
        )

    def _parsed(self, stored_id: str) -> ID:
        try:
            found = cast("Callable[[str], ID]", self.id_type)(stored_id)
        except ValueError:
            found = None
        if found is None or str(found) != stored_id:
            raise ConfigurationError(
                f"the user id {stored_id!r} is not a {self.id_type.__name__}'s text: use id_type=str, which takes all"
            )
        return found

    def _new_id(self) -> str | None:
        # The storage makes text of its own.
        return None if self.id_type is str else str(_id_of(self.id_type, self._random(16)))

    # Providers' tokens

    def _need_oauth(self) -> None:
        if not self._oauth:
            raise NotImplementedError("derive your user class from ToriiBaseOAuthUser to store providers' accounts")

    async def _sealed(self, provider: str, subject: str, tokens: KeptTokens) -> Metadata:
        associated = provider_tokens.associated(provider, subject)
        return provider_tokens.stored(await self.torii.secret_box.seal(tokens.dump(), associated=associated))

    async def _opened(self, account: OAuthAccount) -> KeptTokens | None:
        sealed = provider_tokens.sealed_of(account)
        if sealed is None:
            return None
        associated = provider_tokens.associated(account.provider, account.subject)
        try:
            return KeptTokens.load(await self.torii.secret_box.open(sealed, associated=associated))
        except ValueError:  # sealed under a secret that is no longer configured
            return None


@guarded
@dataclass(slots=True, kw_only=True)
class ToriiAccessToken:
    """A session, as fastapi-users sees it.

    Args:
        token: The session's token.
        user_id: The user's id, as it is stored.
        created_at: When the person signed in.
        signed_in: The session and its user, as the check read them.
    """

    token: str = field(repr=False)
    user_id: str
    created_at: datetime
    signed_in: SignedIn = field(repr=False)


class ToriiAccessTokenDatabase(AccessTokenDatabase[ToriiAccessToken]):
    """Sessions for :class:`ToriiStrategy`. How long one lasts is the services' ``SessionPolicy``.

    fastapi-users' own ``DatabaseStrategy`` is not enough: it gives only the user's id, so a sign-in that began before
    the password was changed could complete afterwards. :meth:`create` refuses it.

    Args:
        torii: The services, with their storage.
    """

    def __init__(self, torii: AsyncTorii) -> None:
        check_kind("torii", torii, f"{AsyncTorii.__module__}.AsyncTorii", "AsyncTorii(storage, ...)")
        self.torii = torii

    async def get_by_token(self, token: str, max_age: datetime | None = None) -> ToriiAccessToken | None:
        """Check a token, in one request.

        Args:
            token: The token.
            max_age: Refuse sign-ins before this time; ``None``: the session's own end decides.

        Returns:
            The session; ``None`` if the token is malformed, unknown, expired or revoked, or too old.
        """
        found = await self.torii.get_signed_in(token)
        if found is None or (max_age is not None and signed_in_at(found.session) < max_age):
            return None
        return _shown_session(found)

    async def create(self, create_dict: dict[str, Any]) -> ToriiAccessToken:
        """Create a session for ``{"user": user}``, a user that :class:`ToriiUserDatabase` returned.

        Returns:
            The session with its token, which the storage makes and cannot show again.

        Raises:
            ConfigurationError: Something else was given.
            AccountLocked: The user is not active.
            SecondFactorRequired: The user must give a second factor, which fastapi-users does not ask for.
        """
        user = create_dict.get("user")
        if set(create_dict) != {"user"} or not isinstance(user, ToriiBaseUser):
            raise ConfigurationError(
                "sign in with ToriiStrategy(database), not with DatabaseStrategy: a session is bound to the user as "
                "read when the password was checked, and its token is made by the storage"
            )
        stored = user.stored
        if self.torii.sessions.second_factor.is_required_of(stored):
            raise SecondFactorRequired("this user must give a second factor; sign in through Torii's own routes")
        return _shown_session(SignedIn(stored, await self.torii.sessions.create(stored, Browser())))

    async def update(self, access_token: ToriiAccessToken, update_dict: dict[str, Any]) -> ToriiAccessToken:
        """Not supported: a session's facts never change, and :class:`ToriiStrategy` extends it as it is used.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("sessions are not changed; how long they last is the services' SessionPolicy")

    async def delete(self, access_token: ToriiAccessToken) -> None:
        """End a session. One that has ended already is not an error."""
        await self.torii.delete_session(access_token.token)


class ToriiStrategy(DatabaseStrategy[U, ID, ToriiAccessToken]):
    """Sessions as fastapi-users' strategy: with a bearer or a cookie transport, revocable at once.

    A session is bound to the user as read by the sign-in, and a request's user is the one that the session check read;
    so what either began does not complete after the password was changed or the account locked. A check takes one
    request, and one more for the password hash. It does not call the user manager's ``get``. A session that is used is
    extended as ``SessionPolicy`` says, at most once an hour by default; ``lifetime_seconds`` is not taken.

    Args:
        database: The sessions.
    """

    database: ToriiAccessTokenDatabase

    def __init__(self, database: ToriiAccessTokenDatabase) -> None:
        super().__init__(database)

    async def read_token(self, token: str | None, user_manager: BaseUserManager[U, ID]) -> U | None:
        """Return the user whose session's token this is; ``None`` if it is not valid.

        Raises:
            ConfigurationError: The user manager's database is not a :class:`ToriiUserDatabase`.
        """
        users = user_manager.user_db
        if not isinstance(users, ToriiUserDatabase):
            raise ConfigurationError(f"ToriiStrategy needs ToriiUserDatabase, not {type(users).__name__}")
        found = None if token is None else await self.database.get_by_token(token)
        if found is None or await self.database.torii.touch_session(found.signed_in.session) is None:
            return None
        shown: U = await users.load(found.signed_in.user)
        return shown

    def _create_access_token_dict(self, user: U) -> dict[str, Any]:
        return {"user": user}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What a call asks for; ``None`` where it asks for nothing. ``metadata`` has only the keys that change."""

    email: str | None
    name: str | None | Unset
    password_hash: str | None = field(repr=False)
    is_active: bool | None
    is_verified: bool | None
    metadata: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the application's user class."""

    adapter: pydantic.TypeAdapter[Any]
    required: bool

    def dump(self, name: str, value: object) -> Any:
        try:
            return self.adapter.dump_python(self.adapter.validate_python(value), mode="json")
        except pydantic.ValidationError as error:
            raise ValidationError(name, _reason(error)) from None

    def load(self, name: str, value: object, user_id: str) -> Any:
        try:
            return self.adapter.validate_python(value)
        except pydantic.ValidationError as error:
            raise CorruptItem("users", "metadata", f"{name}: {_reason(error)}", user_id) from None


@cache
def _custom_fields(model: Any) -> dict[str, _Field]:
    if get_annotations(model) and "__dataclass_fields__" not in vars(model):
        raise ConfigurationError(f"user_model: decorate {model.__name__} with @dataclass(kw_only=True)")
    hints = get_type_hints(model, include_extras=True)
    ours = {one.name for one in dataclasses.fields(ToriiBaseOAuthUser)}
    return {
        one.name: _Field(
            pydantic.TypeAdapter(hints[one.name]),
            one.default is one.default_factory is dataclasses.MISSING and one.name not in ("created_at", "updated_at"),
        )
        for one in dataclasses.fields(model)
        if one.name not in ours
    }


def _reason(error: pydantic.ValidationError) -> str:
    """What is wrong, without the value."""
    return str(error.errors(include_input=False, include_url=False)[0]["msg"])


def _fill(user: ToriiBaseUser[Any], stored: User, password_hash: str) -> None:
    vars(user).update(_stored=stored, hashed_password=password_hash)


def _become(user: U, fresh: U) -> U:
    """Bring an object that the application holds up to date."""
    for one in dataclasses.fields(fresh):
        setattr(user, one.name, getattr(fresh, one.name))
    _fill(user, fresh.stored, fresh.hashed_password)
    return user


def _current_hash(stored: User, credentials: PasswordCredentials | None) -> str:
    """Return the user's hash; if there is none, or it was changed between the two reads, one that no password has.

    It stays the same until all sessions end, because fastapi-users' links to set a password are bound to it.
    """
    if (
        credentials is not None
        and credentials.password_hash is not None
        and (credentials.user_id, credentials.password_version) == (stored.id, stored.password_version)
    ):
        return credentials.password_hash
    digest = hashlib.sha256(f"no password\0{stored.id}\0{stored.session_epoch}".encode()).digest()
    salt, tag = (base64.b64encode(part).decode().rstrip("=") for part in (digest[:16], digest))
    # The parameters of pwdlib, fastapi-users' hasher: verifying takes as long as with a real one.
    return f"$argon2id$v=19$m=65536,t=3,p=4${salt}${tag}"


def _id_of(id_type: type[ID], seed: bytes) -> ID:
    """Return an id of 16 bytes."""
    made: UUID | int | str = seed.hex()
    if id_type is UUID:
        made = UUID(bytes=seed, version=4)
    elif id_type is int:
        # Exact in JavaScript, and apart from the counted ids of another database.
        made = 2**52 + int.from_bytes(seed) % 2**52
    return cast("ID", made)


def _subject(provider: str, account_id: str) -> str:
    """Return the provider's id for a person, as the services know it.

    For Google, httpx-oauth gives the People API's name for a person: ``people/`` and OpenID Connect's ``sub``.
    """
    return account_id.removeprefix("people/") if provider == "google" else account_id


def _tokens(values: Mapping[str, Any], before: ToriiOAuthAccount[Any] | None) -> KeptTokens:
    """Return the tokens in what fastapi-users passes on, and otherwise those from before."""
    access_token = values["access_token"] if before is None else values.get("access_token", before.access_token)
    ends = values.get("expires_at") if before is None else values.get("expires_at", before.expires_at)
    return KeptTokens(
        access_token=access_token,
        # A provider that issues no other one means that it stays.
        refresh_token=values.get("refresh_token") or (None if before is None else before.refresh_token),
        expires_at=None if ends is None else from_epoch_seconds(ends),
    )


def _shown_session(found: SignedIn) -> ToriiAccessToken:
    session = found.session
    return ToriiAccessToken(
        token=session.token, user_id=session.user_id, created_at=signed_in_at(session), signed_in=found
    )
