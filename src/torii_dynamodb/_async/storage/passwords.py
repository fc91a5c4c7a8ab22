"""Password hashes on DynamoDB."""

from __future__ import annotations

from torii_dynamodb._async.contract import AsyncEmailPasswordStorage
from torii_dynamodb._async.storage.base import ROUNDS, AsyncStorageBase, failed, no_such_user, old_item
from torii_dynamodb._core import passwords, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import email_key, item_key, token_key
from torii_dynamodb._core.tokens import consume, holds_for, is_unused
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import Email, normalise_email
from torii_dynamodb._rules.secrets import parse_one_time_token
from torii_dynamodb.errors import Unavailable
from torii_dynamodb.models import EMAIL_VERIFICATION, PASSWORD_RESET, UNSET, PasswordCredentials, Unset, User

__all__ = ["AsyncPasswords"]


class AsyncPasswords(AsyncStorageBase, AsyncEmailPasswordStorage):
    """``EmailPasswordStorage`` on DynamoDB."""

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
        validation.password_hash(password_hash)
        passwords.check_set_arguments(user_id, expected_version, user)
        epoch = validation.session_epoch(session_epoch)
        version = self._write_id()

        def decide(user: User) -> users.Change:
            # As every change of a user, it is written only if the epoch is the one looked at here.
            users.check_epoch(user, epoch)
            passwords.check_expected(user, expected_version)
            return passwords.set_password(self._users, self._identities, user, password_hash, version, self._now())

        after = await self._change_user(user_id, decide, user)
        if after is None:
            raise no_such_user()
        await self._clean_up_sessions(user_id)
        return after

    async def rehash_password(self, user_id: str, *, email: str, old_hash: str, new_hash: str) -> bool:
        body = passwords.rehash(
            self._identities,
            validation.user_id(user_id),
            normalise_email(email).normalised,
            validation.password_hash(old_hash, "old_hash"),
            validation.password_hash(new_hash, "new_hash"),
        )
        return await self._transact(body) is None

    async def get_password_hash(self, user_id: str) -> str | None:
        user = await self._read_user(validation.user_id(user_id), consistent=True)
        if user is None or not user.has_password:
            return None
        found = await self._credentials(user.email)
        return None if found is None or found.user_id != user_id else found.password_hash

    async def get_credentials_by_email(self, email: str) -> PasswordCredentials | None:
        return await self._credentials(normalise_email(email).normalised)

    async def remove_password_hash(
        self, user_id: str, *, allow_verified_email: bool = False, session_epoch: int | None = None
    ) -> bool:
        validation.user_id(user_id)
        validation.flag(allow_verified_email, "allow_verified_email")
        epoch = validation.session_epoch(session_epoch)
        found = False

        def decide(user: User) -> users.Change | None:
            nonlocal found
            users.check_epoch(user, epoch)
            found = user.has_password
            if not found:
                return None
            if not users.has_other_way(user, (), password=False, allow_verified_email=allow_verified_email):
                raise users.last_sign_in_method("the password")
            return passwords.remove_password(self._users, self._identities, user, self._now())

        if await self._change_user(user_id, decide) is None:
            raise no_such_user()
        if found:
            await self._clean_up_sessions(user_id)
        return found

    async def complete_password_reset(self, token: str, password_hash: str) -> User | None:
        validation.password_hash(password_hash)
        parsed = parse_one_time_token(validation.token_argument(token))
        if parsed is None or not parsed.user_id:
            return None
        token_id = token_key(PASSWORD_RESET, parsed.digest)
        version, write_id = self._write_id(), self._write_id()
        for _ in range(ROUNDS):
            item, user_item = await self._client.batch_get(
                ((self._tokens, item_key(token_id)), (self._users, item_key(parsed.user_id))), consistent=True
            )
            now = self._now()
            if item is None or user_item is None or not is_unused(item, now):
                return None
            user = users.read(user_item)
            if not holds_for(item, parsed.user_id, user):
                return None
            change = passwords.reset(self._users, self._identities, user, password_hash, version, now)
            used = {"Update": consume(self._tokens, token_id, write_id, now)}
            refused = await self._transact(used, *change.items)
            if refused is None:
                await self._clean_up_sessions(user.id)
                return change.user
            if failed(refused, 0) and (old_item(refused, 0) or {}).get("consumed_by") != {"S": write_id}:
                return None
        raise Unavailable(f"the user was changed by others {ROUNDS} times during the reset; try again", attempts=ROUNDS)

    async def complete_email_proof(
        self,
        token: str,
        *,
        purpose: str = EMAIL_VERIFICATION,
        new_email: str | None = None,
        keep: bool = False,
        password_hash: str | None = None,
    ) -> User | None:
        validation.purpose(purpose)
        passwords.check_proof_arguments(keep, password_hash)
        address = None if new_email is None else normalise_email(new_email, field="new_email")
        parsed = parse_one_time_token(validation.token_argument(token))
        if parsed is None or not parsed.user_id:
            return None
        token_id = token_key(purpose, parsed.digest)
        version, write_id = self._write_id(), self._write_id()
        for _ in range(ROUNDS):
            item, user_item = await self._client.batch_get(
                ((self._tokens, item_key(token_id)), (self._users, item_key(parsed.user_id))), consistent=True
            )
            now = self._now()
            if item is None or user_item is None or not is_unused(item, now):
                return None
            user = users.read(user_item)
            if not holds_for(item, parsed.user_id, user):
                return None
            email = address or Email(user.email, user.email_as_given)
            moves = email.normalised != user.email
            claim: Item | None = None
            if moves and keep:
                claim = await self._get(self._identities, item_key(email_key(user.email)), consistent=True)
                if claim is None:
                    continue
            change = passwords.complete_proof(
                self._users,
                self._identities,
                user,
                now,
                email=email,
                claim=claim,
                keep=keep,
                password_hash=password_hash,
                version=version,
            )
            if change is None and password_hash is not None:
                return None
            used = {"Update": consume(self._tokens, token_id, write_id, now)}
            refused = await self._transact(used, *(() if change is None else change.items))
            if refused is None:
                if change is None or change.user.session_epoch == user.session_epoch:
                    return user if change is None else change.user
                await self._clean_up_sessions(user.id)
                return change.user
            if failed(refused, 0) and (old_item(refused, 0) or {}).get("consumed_by") != {"S": write_id}:
                return None
            if moves and not failed(refused, 1) and failed(refused, 2):
                raise users.taken("email", refused.request_id) from refused.strip()
        raise Unavailable(f"the user was changed by others {ROUNDS} times meanwhile; try again", attempts=ROUNDS)
