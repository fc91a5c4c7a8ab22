"""Hashing and verifying passwords in the pool."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from torii_dynamodb._async.primitives import result_of
from torii_dynamodb._rules.hashing import PasswordHasher, Verifier

if TYPE_CHECKING:
    from torii_dynamodb._pool import HashingPool, Submit

__all__ = ["AsyncHashing"]


class AsyncHashing:
    """A hasher, and the pool that it runs in.

    ::

        with hashing.turn() as submit:
            ...  # count the attempt
            right = await hashing.verify(submit, password_hash, attempted)

    Args:
        hasher: Hashes and verifies.
        pool: Limits how many run at the same time.
    """

    def __init__(self, hasher: PasswordHasher, pool: HashingPool) -> None:
        self._hasher = hasher
        self._verifier = Verifier(hasher)
        self._pool = pool

    def turn(self) -> AbstractContextManager[Submit]:
        """Reserve a place in the pool. Do it before anything is counted: a refused caller then loses nothing.

        Raises:
            Overloaded: All places are taken.
        """
        return self._pool.turn()

    async def hash(self, submit: Submit, password: str) -> str:
        """Hash a checked password."""
        return await result_of(submit(self._hasher.hash, password))

    async def verify(self, submit: Submit, password_hash: str | None, attempted: str | None) -> bool:
        """Whether the password is right. The work is the same with any kind of hash, and without one."""
        return await result_of(submit(self._verifier.verify, password_hash, attempted))

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than the current ones."""
        return self._hasher.needs_rehash(password_hash)
