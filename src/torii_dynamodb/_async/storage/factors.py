"""Second factors on DynamoDB."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from torii_dynamodb import _core, models
from torii_dynamodb._async.contract import AsyncSecondFactorStorage
from torii_dynamodb._async.storage.base import AsyncStorageBase, no_such_user
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.keys import factor_key, item_key
from torii_dynamodb._core.users import Change
from torii_dynamodb._rules import validation
from torii_dynamodb.models import Listing

if TYPE_CHECKING:
    from torii_dynamodb.models import Factor, NewFactor, User

__all__ = ["AsyncFactors"]


class AsyncFactors(AsyncStorageBase, AsyncSecondFactorStorage):
    """``SecondFactorStorage`` on DynamoDB."""

    async def add_factor(
        self, new_factor: NewFactor, *, session_epoch: int | None = None, only_first: bool = False
    ) -> Factor:
        checked = _core.factors.checked(new_factor)
        epoch = validation.session_epoch(session_epoch)
        first = validation.flag(only_first, "only_first")
        factor = models.Factor(
            user_id=checked.user_id,
            id=checked.id,
            kind="totp",
            name=checked.name,
            created_at=self._now(),
            last_used_at=None,
            secret=checked.secret,
            last_step=checked.last_step,
        )

        def decide(user: User) -> Change | None:
            users.check_epoch(user, epoch)
            return _core.factors.addition(self._users, self._identities, user, factor, self._now(), only_first=first)

        if await self._change_user(checked.user_id, decide) is None:
            raise no_such_user()
        return factor

    async def get_factor(self, user_id: str, factor_id: str) -> Factor | None:
        key = factor_key(validation.user_id(user_id), _core.factors.factor_name(factor_id))
        item = await self._get(self._identities, item_key(key), consistent=True)
        return None if item is None else _core.factors.read(item)

    async def list_factors_for_user(self, user_id: str, *, user: User | None = None) -> Listing[Factor]:
        validation.user_id(user_id)
        _core.factors.check_user(user, user_id)
        if user is None:
            user = await self._read_user(user_id, consistent=True)
        keys = [] if user is None else users.factor_keys(user)
        if not keys:
            return Listing()
        items = await self._client.batch_get([(self._identities, item_key(key)) for key in keys], consistent=True)
        found = reading.listing((item for item in items if item is not None), _core.factors.read)
        found.sort(key=lambda factor: (factor.kind, factor.created_at, factor.id))
        return found

    async def remove_factor(self, user_id: str, factor_id: str, *, session_epoch: int | None = None) -> bool:
        name = _core.factors.factor_name(factor_id)
        return await self._remove(user_id, lambda _: [name], session_epoch)

    async def remove_factors_for_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        return await self._remove(user_id, lambda user: sorted(user.factors), session_epoch)

    async def use_passkeys_as_factor(self, user_id: str, enabled: bool, *, session_epoch: int | None = None) -> bool:
        if not validation.flag(enabled, "enabled"):
            return await self._remove(user_id, lambda _: [_core.factors.PASSKEY], session_epoch)
        return await self._change(
            user_id, session_epoch, lambda user: _core.factors.with_passkeys(self._users, user, self._now())
        )

    async def _remove(self, user_id: str, names: Callable[[User], Sequence[str]], session_epoch: int | None) -> bool:
        serial = self._write_id()
        return await self._change(
            user_id,
            session_epoch,
            lambda user: _core.factors.removal(
                self._users, self._identities, user, names(user), self._now(), serial=serial
            ),
        )

    async def _change(self, user_id: str, session_epoch: int | None, change: Callable[[User], Change | None]) -> bool:
        validation.user_id(user_id)
        epoch = validation.session_epoch(session_epoch)
        changed = False

        def decide(user: User) -> Change | None:
            nonlocal changed
            users.check_epoch(user, epoch)
            found = change(user)
            changed = found is not None
            return found

        return await self._change_user(user_id, decide) is not None and changed

    async def accept_totp_step(self, user_id: str, factor_id: str, step: int) -> bool:
        name, write_id = _core.factors.factor_name(factor_id), self._write_id()
        checked = validation.integer(step, "step", least=0, most=2**53)
        body = _core.factors.accept(self._identities, validation.user_id(user_id), name, checked, write_id, self._now())
        return _core.factors.was_used_by(await self._update(body), write_id)

    async def use_recovery_code(self, user_id: str, mark: str) -> bool:
        write_id = self._write_id()
        checked = validation.text(mark, "mark", most=128)
        body = _core.factors.use_recovery_code(
            self._identities, validation.user_id(user_id), checked, write_id, self._now()
        )
        return _core.factors.was_used_by(await self._update(body), write_id)

    async def set_recovery_codes(
        self, user_id: str, marks: Collection[str], *, session_epoch: int | None = None
    ) -> User:
        checked = _core.factors.check_marks(marks)
        epoch = validation.session_epoch(session_epoch)

        def decide(user: User) -> Change:
            users.check_epoch(user, epoch)
            return _core.factors.recovery(self._users, self._identities, user, checked, self._now())

        user = await self._change_user(validation.user_id(user_id), decide)
        if user is None:
            raise no_such_user()
        return user

    async def reseal_factor(self, factor: Factor, secret: bytes) -> bool:
        validation.instance(factor, "factor", models.Factor)
        body = _core.factors.reseal(self._identities, factor, validation.binary(secret, "secret", most=4096))
        return await self._transact({"Update": body}) is None
