"""Second factors in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from torii_dynamodb._async.contract import AsyncSecondFactorStorage
from torii_dynamodb._core import factors, keys, users
from torii_dynamodb._rules import validation
from torii_dynamodb.errors import TooManyFactors
from torii_dynamodb.models import Factor, Listing, NewFactor, User
from torii_dynamodb.testing._memory.base import MemoryBase, copied_user

__all__ = ["AsyncMemoryFactors"]


class AsyncMemoryFactors(MemoryBase, AsyncSecondFactorStorage):
    """The contract's ``AsyncSecondFactorStorage``."""

    async def add_factor(
        self, new_factor: NewFactor, *, session_epoch: int | None = None, only_first: bool = False
    ) -> Factor:
        new = factors.checked(new_factor)
        validation.session_epoch(session_epoch)
        validation.flag(only_first, "only_first")
        name = factors.factor_name(new.id)
        factor = Factor(
            user_id=new.user_id,
            id=new.id,
            kind="totp",
            name=new.name,
            created_at=self._now(),
            last_used_at=None,
            secret=new.secret,
            last_step=new.last_step,
        )
        with self._state.lock:
            user = self._user(new.user_id)
            self._require_epoch(user, session_epoch)
            if name in user.factors:
                return factor
            if only_first:
                factors.check_first(user)
            if len(factors.totp_names(user)) >= factors.MAX_TOTP:
                raise TooManyFactors("the user has too many authenticator apps", limit=factors.MAX_TOTP)
            self._change(user, factors=user.factors | {name})
            self._state.identities[keys.factor_key(user.id, name)] = factor
            return factor

    def _factor(self, user_id: str, name: str) -> Factor | None:
        found = self._state.identities.get(keys.factor_key(user_id, name))
        return found if isinstance(found, Factor) else None

    async def get_factor(self, user_id: str, factor_id: str) -> Factor | None:
        validation.user_id(user_id)
        name = factors.factor_name(factor_id)
        with self._state.lock:
            return self._factor(user_id, name)

    async def list_factors_for_user(self, user_id: str, *, user: User | None = None) -> Listing[Factor]:
        validation.user_id(user_id)
        factors.check_user(user, user_id)
        with self._state.lock:
            holder = self._state.users.get(user_id) if user is None else user
            found = [self._factor(user_id, name) for name in (() if holder is None else holder.factors)]
            return Listing(
                sorted(
                    (factor for factor in found if factor is not None),
                    key=lambda factor: (factor.kind, factor.created_at, factor.id),
                )
            )

    async def remove_factor(self, user_id: str, factor_id: str, *, session_epoch: int | None = None) -> bool:
        return self._drop(user_id, frozenset({factors.factor_name(factor_id)}), session_epoch)

    async def remove_factors_for_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        return self._drop(user_id, None, session_epoch)

    async def use_passkeys_as_factor(self, user_id: str, enabled: bool, *, session_epoch: int | None = None) -> bool:
        if not validation.flag(enabled, "enabled"):
            return self._drop(user_id, frozenset({factors.PASSKEY}), session_epoch)
        validation.user_id(user_id)
        validation.session_epoch(session_epoch)
        with self._state.lock:
            user = self._state.users.get(user_id)
            if user is None:
                return False
            self._require_epoch(user, session_epoch)
            if factors.PASSKEY in user.factors:
                return False
            self._change(user, factors=user.factors | {factors.PASSKEY})
            return True

    def _drop(self, user_id: str, names: frozenset[str] | None, session_epoch: int | None) -> bool:
        validation.user_id(user_id)
        validation.session_epoch(session_epoch)
        with self._state.lock:
            user = self._state.users.get(user_id)
            if user is None:
                return False
            self._require_epoch(user, session_epoch)
            left = frozenset[str]() if names is None else user.factors - names
            if left == frozenset({factors.RECOVERY}):
                left = frozenset[str]()
            gone = user.factors - left
            if gone:
                serials = factors.serials_after_removal(user, self._nonce())
                self._change(user, factors=left, token_serials=serials)
            for key in users.factor_keys(user, gone):
                del self._state.identities[key]
            return bool(gone)

    async def accept_totp_step(self, user_id: str, factor_id: str, step: int) -> bool:
        validation.user_id(user_id)
        name = factors.factor_name(factor_id)
        validation.integer(step, "step", least=0, most=2**53)
        with self._state.lock:
            found = self._factor(user_id, name)
            if found is None or found.last_step is None or step <= found.last_step:
                return False
            changed = replace(found, last_step=step, last_used_at=self._now())
            self._state.identities[keys.factor_key(user_id, name)] = changed
            return True

    async def set_recovery_codes(
        self, user_id: str, marks: Collection[str], *, session_epoch: int | None = None
    ) -> User:
        checked = factors.check_marks(marks)
        validation.user_id(user_id)
        validation.session_epoch(session_epoch)
        with self._state.lock:
            user = self._user(user_id)
            self._require_epoch(user, session_epoch)
            changed = self._change(user, factors=user.factors | {factors.RECOVERY})
            self._state.identities[keys.factor_key(user_id, factors.RECOVERY)] = Factor(
                user_id=user_id,
                id=factors.RECOVERY,
                kind="recovery",
                name="Recovery codes",
                created_at=self._now(),
                last_used_at=None,
                marks=checked,
            )
            return copied_user(changed)

    async def use_recovery_code(self, user_id: str, mark: str) -> bool:
        validation.user_id(user_id)
        validation.text(mark, "mark", most=128)
        with self._state.lock:
            found = self._factor(user_id, factors.RECOVERY)
            if found is None or mark not in found.marks:
                return False
            changed = replace(found, marks=found.marks - {mark}, last_used_at=self._now())
            self._state.identities[keys.factor_key(user_id, factors.RECOVERY)] = changed
            return True

    async def reseal_factor(self, factor: Factor, secret: bytes) -> bool:
        validation.instance(factor, "factor", Factor)
        new = validation.binary(secret, "secret", most=4096)
        name = factors.factor_name(factor.id)
        with self._state.lock:
            found = self._factor(factor.user_id, name)
            if found is None or found.secret != factor.secret:
                return False
            self._state.identities[keys.factor_key(factor.user_id, name)] = replace(found, secret=new)
            return True
