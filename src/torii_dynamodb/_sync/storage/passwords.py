# Generated from src/torii_dynamodb/_async/storage/passwords.py by tools/unasync.py. Do not edit.

"""Password hashes on DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torii_dynamodb import _core
from torii_dynamodb._core import users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import email_key, item_key
from torii_dynamodb._core.users import Change
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import Email, normalise_email
from torii_dynamodb._sync.contract import EmailPasswordStorage
from torii_dynamodb._sync.storage.base import ROUNDS, StorageBase, contended, failed, no_such_user, old_item
from torii_dynamodb.models import EMAIL_VERIFICATION, PASSWORD_RESET, UNSET

if TYPE_CHECKING:
    from torii_dynamodb.models import PasswordCredentials, Unset, User

__all__ = ["Passwords"]


class Passwords(StorageBase, EmailPasswordStorage):
    """``EmailPasswordStorage`` on DynamoDB."""

    def set_password_hash(
        self,
        user_id: str,
        password_hash: str,
        *,
        expected_version: str | None | Unset = UNSET,
        user: User | None = None,
        session_epoch: int | None = None,
    ) -> User:
        validation.user_id(user_id)
        validation.password_hash(password_hash)
        _core.passwords.check_set_arguments(user_id, expected_version, user)
        epoch = validation.session_epoch(session_epoch)
        version = self._write_id()

        def decide(user: User) -> Change:
            # Like every change of a user, it is written only if the epoch is still the one checked here.
            users.check_epoch(user, epoch)
            _core.passwords.check_expected(user, expected_version)
            return _core.passwords.set_password(
                self._users, self._identities, user, password_hash, version, self._now()
            )

        after = self._change_user(user_id, decide, user)
        if after is None:
            raise no_such_user()
        self._clean_up_sessions(user_id)
        return after

    def rehash_password(self, user_id: str, *, email: str, old_hash: str, new_hash: str) -> bool:
        body = _core.passwords.rehash(
            self._identities,
            validation.user_id(user_id),
            normalise_email(email).normalised,
            validation.password_hash(old_hash, "old_hash"),
            validation.password_hash(new_hash, "new_hash"),
        )
        return self._transact(body) is None

    def get_password_hash(self, user_id: str) -> str | None:
        user = self._read_user(validation.user_id(user_id), consistent=True)
        if user is None or not user.has_password:
            return None
        found = self._credentials(user.email)
        return None if found is None or found.user_id != user_id else found.password_hash

    def get_credentials_by_email(self, email: str) -> PasswordCredentials | None:
        return self._credentials(normalise_email(email).normalised)

    def remove_password_hash(
        self, user_id: str, *, allow_verified_email: bool = False, session_epoch: int | None = None
    ) -> bool:
        validation.user_id(user_id)
        validation.flag(allow_verified_email, "allow_verified_email")
        epoch = validation.session_epoch(session_epoch)
        found = False

        def decide(user: User) -> Change | None:
            nonlocal found
            users.check_epoch(user, epoch)
            found = user.has_password
            if not found:
                return None
            if not users.has_other_way(user, (), password=False, allow_verified_email=allow_verified_email):
                raise users.last_sign_in_method("the password")
            return _core.passwords.remove_password(self._users, self._identities, user, self._now())

        if self._change_user(user_id, decide) is None:
            raise no_such_user()
        if found:
            self._clean_up_sessions(user_id)
        return found

    def complete_password_reset(self, token: str, password_hash: str) -> User | None:
        validation.password_hash(password_hash)
        version = self._write_id()

        def decide(user: User, _: Item | None) -> Change:
            return _core.passwords.reset(self._users, self._identities, user, password_hash, version, self._now())

        return self._complete(token, PASSWORD_RESET, decide)

    def complete_email_proof(
        self,
        token: str,
        *,
        purpose: str = EMAIL_VERIFICATION,
        new_email: str | None = None,
        keep: bool = False,
        password_hash: str | None = None,
    ) -> User | None:
        validation.purpose(purpose)
        _core.passwords.check_proof_arguments(keep, password_hash)
        email = None if new_email is None else normalise_email(new_email, field="new_email")
        version = self._write_id()

        def decide(user: User, claim: Item | None) -> Change | None:
            return _core.passwords.complete_proof(
                self._users,
                self._identities,
                user,
                self._now(),
                email=email,
                claim=claim,
                keep=keep,
                password_hash=password_hash,
                version=version,
            )

        return self._complete(token, purpose, decide, moves_to=email if keep else None)

    def _complete(
        self,
        token: str,
        purpose: str,
        decide: Callable[[User, Item | None], Change | None],
        *,
        moves_to: Email | None = None,
    ) -> User | None:
        """Use up a user's token and change the user, in one transaction; start again if the user changed in between.

        Args:
            token: The token.
            purpose: What it must have been issued for.
            decide: Returns the change, from the user and, with ``moves_to``, the claim on their address, both as read;
                ``None`` refuses: nothing is written, and the token is not used up.
            moves_to: The address to which the claim on the user's current one moves.
        """
        write_id = self._write_id()
        for _ in range(ROUNDS):
            held = self._held_token(token, purpose)
            if held is None or held.user is None:
                return None
            user, claim = held.user, None
            if moves_to is not None and moves_to.normalised != user.email:
                claim = self._get(self._identities, item_key(email_key(user.email)), consistent=True)
                if claim is None:
                    continue  # the address moved since the user was read
            change = decide(user, claim)
            if change is None:
                return None
            used = {"Update": _core.tokens.consume(self._tokens, held.token.id, write_id, self._now())}
            refused = self._transact(used, *change.items)
            if refused is None:
                if change.user.session_epoch != user.session_epoch:
                    self._clean_up_sessions(user.id)
                return change.user
            if failed(refused, 0) and (old_item(refused, 0) or {}).get("consumed_by") != {"S": write_id}:
                return None
            if change.user.email != user.email and not failed(refused, 1) and failed(refused, 2):
                raise users.taken("email", refused.request_id) from refused.strip()
        raise contended("user")
