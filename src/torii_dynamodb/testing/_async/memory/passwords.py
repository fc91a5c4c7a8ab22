"""Passwords in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torii_dynamodb._async.contract import AsyncEmailPasswordStorage
from torii_dynamodb._core import keys
from torii_dynamodb._core import passwords as core
from torii_dynamodb._rules import secrets, validation
from torii_dynamodb._rules.emails import Email, normalise_email
from torii_dynamodb.errors import AlreadyExists, VersionConflict
from torii_dynamodb.models import EMAIL_VERIFICATION, PASSWORD_RESET, UNSET, PasswordCredentials, Unset, User
from torii_dynamodb.testing._memory.base import ALL_PURPOSES, MemoryBase, copied_user
from torii_dynamodb.testing._memory.state import EmailIdentity

__all__ = ["AsyncMemoryPasswords"]


class AsyncMemoryPasswords(MemoryBase, AsyncEmailPasswordStorage):
    """The contract's ``AsyncEmailPasswordStorage``."""

    async def set_password_hash(
        self,
        user_id: str,
        password_hash: str,
        *,
        expected_version: str | None | Unset = UNSET,
        user: User | None = None,
        session_epoch: int | None = None,
    ) -> User:
        validation.user_id(user_id)
        hashed = validation.password_hash(password_hash)
        core.check_set_arguments(user_id, expected_version, user)
        validation.session_epoch(session_epoch)
        with self._state.lock:
            now = self._user(user_id)
            self._require_epoch(now, session_epoch)
            if not isinstance(expected_version, Unset) and expected_version != now.password_version:
                raise VersionConflict(f"the password of user {user_id} was changed after it was read; read it again")
            return copied_user(self._write_password(now, hashed))

    async def rehash_password(self, user_id: str, *, email: str, old_hash: str, new_hash: str) -> bool:
        validation.user_id(user_id)
        key = keys.email_key(normalise_email(email).normalised)
        old = validation.password_hash(old_hash, "old_hash")
        new = validation.password_hash(new_hash, "new_hash")
        with self._state.lock:
            identity = self._state.identities.get(key)
            if not isinstance(identity, EmailIdentity) or identity.user_id != user_id or identity.password_hash != old:
                return False
            self._state.identities[key] = replace(identity, password_hash=new)
            return True

    async def get_password_hash(self, user_id: str) -> str | None:
        validation.user_id(user_id)
        with self._state.lock:
            user = self._state.users.get(user_id)
            return None if user is None else self._email_identity(user).password_hash

    async def get_credentials_by_email(self, email: str) -> PasswordCredentials | None:
        normalised = normalise_email(email).normalised
        with self._state.lock:
            identity = self._state.identities.get(keys.email_key(normalised))
            if not isinstance(identity, EmailIdentity):
                return None
            return PasswordCredentials(
                user_id=identity.user_id,
                email=identity.email,
                password_hash=identity.password_hash,
                password_version=identity.password_version,
            )

    async def remove_password_hash(
        self, user_id: str, *, allow_verified_email: bool = False, session_epoch: int | None = None
    ) -> bool:
        validation.user_id(user_id)
        validation.flag(allow_verified_email, "allow_verified_email")
        validation.session_epoch(session_epoch)
        with self._state.lock:
            user = self._user(user_id)
            self._require_epoch(user, session_epoch)
            if not user.has_password:
                return False
            self._require_sign_in_method(user, user.identities, password=False, verified_email=allow_verified_email)
            self._write_password(user, None)
            return True

    async def complete_password_reset(self, token: str, password_hash: str) -> User | None:
        validation.token_argument(token)
        hashed = validation.password_hash(password_hash)
        parsed = secrets.parse_one_time_token(token)
        with self._state.lock:
            if parsed is None:
                return None
            now = self._now()
            found = self._token_user(self._state.tokens.get(keys.token_key(PASSWORD_RESET, parsed.digest)), now)
            if found is None or found[1] is None or found[1].id != parsed.user_id:
                return None
            row, user = found[0], found[1]
            # Whoever proves the address first owns the account: everything linked before the proof is removed.
            unproven = frozenset[str]() if user.is_email_verified else self._unproven(user)
            changed = self._write_password(
                user,
                hashed,
                identities=user.identities - unproven,
                email_verified_at=user.email_verified_at or now,
                disconnected=user.disconnected if user.is_email_verified else frozenset(),
                factors=user.factors if user.is_email_verified else frozenset(),
            )
            for key in unproven:
                del self._state.identities[key]
            self._consume(row)
            return copied_user(changed)

    async def complete_email_proof(
        self,
        token: str,
        *,
        purpose: str = EMAIL_VERIFICATION,
        new_email: str | None = None,
        keep: bool = False,
        password_hash: str | None = None,
    ) -> User | None:
        validation.token_argument(token)
        validation.purpose(purpose)
        core.check_proof_arguments(keep, password_hash)
        address = None if new_email is None else normalise_email(new_email, field="new_email")
        parsed = secrets.parse_one_time_token(token)
        with self._state.lock:
            now = self._now()
            row = None if parsed is None else self._state.tokens.get(keys.token_key(purpose, parsed.digest))
            found = self._token_user(row, now)
            if parsed is None or found is None or found[1] is None or found[1].id != parsed.user_id:
                return None
            row, user = found[0], found[1]
            moves = address is not None and address.normalised != user.email
            if not moves and user.is_email_verified:
                if password_hash is not None:
                    return None
            elif address is not None and moves and keys.email_key(address.normalised) in self._state.identities:
                raise AlreadyExists("email", "another user holds the address")
            else:
                user = self._prove(user, address if moves else None, keep=keep, password_hash=password_hash)
            self._consume(row)
            return copied_user(user)

    def _prove(self, user: User, moves_to: Email | None, *, keep: bool, password_hash: str | None) -> User:
        """Apply the first proof of an address: the user's own, or one to move to."""
        old = keys.email_key(user.email)
        new = old if moves_to is None else keys.email_key(moves_to.normalised)
        identity, unproven = self._email_identity(user), frozenset[str]()
        changes: dict[str, Any] = {"email_verified_at": self._now()}
        if moves_to is not None:
            identity = replace(identity, email=moves_to.normalised)
            changes |= {"email": moves_to.normalised, "email_as_given": moves_to.as_given}
            changes["token_serials"] = {ALL_PURPOSES: self._nonce()}
        if not keep:
            version = None if password_hash is None else self._nonce()
            identity = replace(identity, password_hash=password_hash, password_version=version)
            changes |= {"password_version": version, "session_epoch": user.session_epoch + 1}
            changes |= {"disconnected": frozenset(), "factors": frozenset()}
            unproven = self._unproven(user)
        changed = self._change(user, **changes, identities=(user.identities - unproven - {old}) | {new})
        for key in (*unproven, old):
            del self._state.identities[key]
        self._state.identities[new] = identity
        self._drop_ended_sessions(changed)
        return changed
