# Generated from src/torii_dynamodb/testing/_async/memory/users.py by tools/unasync.py. Do not edit.

"""Users in memory."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torii_dynamodb._core import importing, keys
from torii_dynamodb._core import users as core
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import Email, normalise_email
from torii_dynamodb._sync.contract import UserStorage
from torii_dynamodb.errors import AlreadyExists, ValidationError, VersionConflict
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import UNSET, Metadata, NewUser, Page, Unset, User
from torii_dynamodb.testing._memory import inputs
from torii_dynamodb.testing._memory.base import ALL_PURPOSES, MemoryBase, copied_user

__all__ = ["MemoryUsers"]


class MemoryUsers(MemoryBase, UserStorage):
    """The contract's ``UserStorage``."""

    def create_user(self, new_user: NewUser, *, password_hash: str | None = None) -> User:
        new = core.new_user_model(new_user, password_hash, self._now(), self._random)
        with self._state.lock:
            there = self._state.users.get(new.id)
            if there is not None and there.email == new.email:
                return copied_user(there)
            if there is not None:
                raise AlreadyExists("user", f"user {there.id} already exists with another address")
            if keys.email_key(new.email) in self._state.identities:
                raise AlreadyExists("email", "another user holds the address")
            return copied_user(self._insert_user(new, password_hash=password_hash))

    def import_user(self, imported: ImportedUser) -> tuple[User, bool]:
        new = importing.arrival(imported, self._now(), self._random)
        importing.creation("users", "identities", new)  # for the limits of one write
        with self._state.lock:
            there = self._state.users.get(new.user.id)
            if there is not None and there.email == new.user.email:
                return copied_user(there), False
            if there is not None:
                raise AlreadyExists("user", f"user {there.id} already exists with another address")
            if keys.email_key(new.user.email) in self._state.identities:
                raise AlreadyExists("email", "another user holds the address")
            for key, one in new.belongings.items():
                if key in self._state.identities:
                    raise AlreadyExists(importing.what(one), "another user holds it")
            user = self._insert_user(new.user, password_hash=new.password_hash, belongings=new.belongings)
            return copied_user(user), True

    def get_user(self, user_id: str, *, consistent: bool | None = None) -> User | None:
        validation.user_id(user_id)
        inputs.consistent(consistent)
        with self._state.lock:
            user = self._state.users.get(user_id)
            return None if user is None else copied_user(user)

    def get_user_by_email(self, email: str, *, consistent: bool | None = None) -> User | None:
        normalised = normalise_email(email).normalised
        inputs.consistent(consistent)
        with self._state.lock:
            user = self._holder(normalised)
            return None if user is None else copied_user(user)

    def get_or_create_user_by_email(self, email: str, *, name: str | None = None) -> tuple[User, bool]:
        new = core.new_user_model(NewUser(email=email, name=name), None, self._now(), self._random)
        with self._state.lock:
            user = self._holder(new.email)
            if user is not None:
                return copied_user(user), False
            return copied_user(self._insert_user(new)), True

    def update_user(
        self,
        user: User,
        *,
        email: str | Unset = UNSET,
        name: str | None | Unset = UNSET,
        metadata: Metadata | Unset = UNSET,
    ) -> User:
        validation.instance(user, "user", User)
        validation.user_id(user.id, "user")
        changes: dict[str, Any] = {}
        address = None if isinstance(email, Unset) else normalise_email(email)
        if not isinstance(name, Unset):
            changes["name"] = None if name is None else validation.text(name, "name", most=256)
        if not isinstance(metadata, Unset):
            changes["metadata"] = validation.metadata(metadata)
        if address is not None:
            changes["email_as_given"] = address.as_given
        if not changes:
            raise ValidationError("update_user", "names nothing to change; give the new values by keyword")
        with self._state.lock:
            now = self._user(user.id)
            # Epochs start at random, which distinguishes a new user with the same id from the one that was read.
            if (now.version, now.session_epoch) != (user.version, user.session_epoch):
                raise VersionConflict(f"user {user.id} was changed after it was read; read it again")
            if address is None or address.normalised == now.email:
                return copied_user(self._change(now, **changes))
            return copied_user(self._move_email(now, address, changes))

    def _move_email(self, user: User, email: Email, changes: dict[str, Any]) -> User:
        old, new = keys.email_key(user.email), keys.email_key(email.normalised)
        if new in self._state.identities:
            raise AlreadyExists("email", "another user holds the address")
        identity = replace(self._email_identity(user), email=email.normalised)
        changed = self._change(
            user,
            **changes,
            email=email.normalised,
            email_verified_at=None,
            identities=(user.identities - {old}) | {new},
            # Links to the old address stay invalid, even if the user takes that address again.
            token_serials={ALL_PURPOSES: self._nonce()},
        )
        del self._state.identities[old]
        self._state.identities[new] = identity
        return changed

    def mark_email_verified(
        self, user_id: str, *, email: str, remove_unproven: bool = False, session_epoch: int | None = None
    ) -> User | None:
        validation.user_id(user_id)
        normalised = normalise_email(email).normalised
        validation.flag(remove_unproven, "remove_unproven")
        validation.session_epoch(session_epoch)
        with self._state.lock:
            user = self._state.users.get(user_id)
            if user is None or user.email != normalised:
                return None
            if user.is_email_verified:
                return copied_user(user)
            self._require_epoch(user, session_epoch)
            now = self._now()
            if not remove_unproven:
                return copied_user(self._change(user, email_verified_at=now))
            unproven = self._unproven(user)
            changed = self._write_password(
                user,
                None,
                identities=user.identities - unproven,
                email_verified_at=now,
                disconnected=frozenset(),
                factors=frozenset(),
            )
            for key in unproven:
                del self._state.identities[key]
            return copied_user(changed)

    def delete_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        validation.user_id(user_id)
        validation.session_epoch(session_epoch)
        with self._state.lock:
            state = self._state
            if user_id in state.users:
                self._require_epoch(state.users[user_id], session_epoch)
            user = state.users.pop(user_id, None)
            for key in () if user is None else (*user.identities, *core.factor_keys(user)):
                del state.identities[key]
            state.sessions = {key: row for key, row in state.sessions.items() if row.user_id != user_id}
            state.tokens = {key: row for key, row in state.tokens.items() if row.user_id != user_id}
            return user is not None

    def batch_get_users(self, user_ids: Sequence[str], *, consistent: bool | None = None) -> list[User | None]:
        if isinstance(user_ids, str | bytes) or not isinstance(user_ids, Sequence):
            raise ValidationError("user_ids", f"give a list of ids, not {type(user_ids).__name__}")
        asked = [validation.user_id(user_id, "user_ids") for user_id in user_ids]
        inputs.consistent(consistent)
        with self._state.lock:
            found = [self._state.users.get(user_id) for user_id in asked]
            return [None if user is None else copied_user(user) for user in found]

    def list_users(self, *, limit: int = 100, cursor: str | None = None) -> Page[User]:
        most = inputs.limit(limit)
        after = "" if cursor is None else _after(cursor)
        with self._state.lock:
            ids = sorted(user_id for user_id in self._state.users if user_id > after)
            users = [copied_user(self._state.users[user_id]) for user_id in ids[:most]]
            return Page(users, _cursor(users[-1].id) if len(ids) > most else None)


def _cursor(user_id: str) -> str:
    return urlsafe_b64encode(user_id.encode()).decode()


def _after(cursor: object) -> str:
    try:
        if not isinstance(cursor, str):
            raise TypeError
        return validation.user_id(urlsafe_b64decode(cursor.encode()).decode())
    except (TypeError, UnicodeError, NotBase64, ValidationError):
        raise ValidationError("cursor", "is not a valid cursor; give the next_cursor of the previous page") from None
