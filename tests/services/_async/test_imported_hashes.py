"""Signing in with a password whose hash another system made."""

from __future__ import annotations

from functools import partial

import bcrypt
import pytest
from tests.faults._async.primitives import together
from tests.services._async.support import EMAIL, AsyncSetting, as_signed_in

from torii_dynamodb import SignedIn
from torii_dynamodb.errors import InvalidCredentials
from torii_dynamodb.hashes import Bcrypt, ImportedHashes
from torii_dynamodb.models import NewUser
from torii_dynamodb.policies import Argon2Hasher

# Shorter than the policy for new passwords asks for.
OLD = "old pw"
NEW = "correct horse battery staple"


def setting(**options: object) -> AsyncSetting:
    native = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    return AsyncSetting(hasher=ImportedHashes([Bcrypt(max_cost=5)], native=native), **options)


async def with_imported_user(password: str = OLD, **options: object) -> tuple[AsyncSetting, str]:
    here = setting(**options)
    stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    user = await here.storage.create_user(NewUser(email=EMAIL), password_hash=stored)
    return here, user.id


async def test_an_imported_hash_is_replaced_at_the_first_sign_in() -> None:
    """The old password signs in, and again with argon2id; sessions stay valid, and the length is not checked."""
    here, user_id = await with_imported_user()
    first = as_signed_in(await here.torii.password.authenticate(EMAIL, OLD))
    replaced = await here.storage.get_password_hash(user_id)
    assert replaced is not None
    assert replaced.startswith("$argon2id$")
    assert await here.torii.get_signed_in(first.session.token) is not None
    as_signed_in(await here.torii.password.authenticate(EMAIL, OLD))
    assert await here.storage.get_password_hash(user_id) == replaced


async def test_a_password_typed_in_another_form_is_replaced_by_the_normal_one() -> None:
    """What was hashed decomposed signs in decomposed, and after that in either form."""
    decomposed = "cafe\u0301"
    here, _ = await with_imported_user(decomposed)
    with pytest.raises(InvalidCredentials):
        await here.torii.password.authenticate(EMAIL, "café")
    await here.torii.password.authenticate(EMAIL, decomposed)
    await here.torii.password.authenticate(EMAIL, "café")
    await here.torii.password.authenticate(EMAIL, decomposed)


async def test_only_a_sign_in_replaces_a_hash() -> None:
    """Not a wrong password, nor the right one where it counts as a wrong one because the address is not verified."""
    here, user_id = await with_imported_user(require_verified_to_sign_in=True)
    before = await here.storage.get_password_hash(user_id)
    for password in ("wrong", OLD):
        with pytest.raises(InvalidCredentials):
            await here.torii.password.authenticate(EMAIL, password)
    assert await here.storage.get_password_hash(user_id) == before


async def test_two_first_sign_ins_at_once_both_succeed() -> None:
    """One of them replaces the hash; the other leaves that in place."""
    here, user_id = await with_imported_user()
    results = await together(*(partial(here.torii.password.authenticate, EMAIL, OLD) for _ in range(3)))
    assert len({result.session.id for result in results if isinstance(result, SignedIn)}) == 3
    stored = await here.storage.get_password_hash(user_id)
    assert stored is not None
    assert stored.startswith("$argon2id$")


async def test_an_imported_password_can_be_checked_and_changed() -> None:
    """Both take the old password; the new one has to fit the policy."""
    here, user_id = await with_imported_user()
    user = await here.storage.get_user(user_id)
    assert user is not None
    await here.torii.password.check(user, OLD)
    with pytest.raises(InvalidCredentials):
        await here.torii.password.check(user, "wrong")
    await here.torii.password.change_password(user_id, OLD, NEW)
    as_signed_in(await here.torii.password.authenticate(EMAIL, NEW))
    with pytest.raises(InvalidCredentials):
        await here.torii.password.authenticate(EMAIL, OLD)
