"""The keys made of the application's secret: unchanged without a tenant, derived for each tenant."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256

import pytest

from torii_dynamodb._rules.app_secret import secret_keys
from torii_dynamodb._rules.recovery_codes import RecoveryCodes
from torii_dynamodb._rules.second_factor import Challenges
from torii_dynamodb.clock import system_clock, system_random
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.secret_box import AesGcmBox

SECRET, OLD = b"s" * 32, "o" * 40
CODE = "aaaa-bbbb-cccc-dddd"


def test_without_a_tenant_the_secrets_are_the_keys() -> None:
    """So whatever was signed or sealed before there were tenants stays valid."""
    assert secret_keys([SECRET, OLD]) == (SECRET, OLD.encode())


def test_a_tenants_keys_are_those_of_rfc_5869() -> None:
    """HKDF-SHA-256 without a salt, with the tenant in its info. What tenants have sealed must open in every release."""
    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    expected = hmac.digest(extracted, b"torii-dynamodb/tenant/1/acme\x01", "sha256")
    assert secret_keys([SECRET, OLD], tenant="acme")[0] == expected


def test_every_tenant_and_every_secret_has_its_own_key() -> None:
    """Names that begin alike, or that look like a use of a key, lead to different keys."""
    names = [None, "acme", "acme-1", "acme1", "a", "-", "device", "1", "user", "x" * 63]
    keys = {key for name in names for key in secret_keys([SECRET, OLD], tenant=name)}
    assert len(keys) == 2 * len(names)


def test_a_short_secret_is_refused_for_a_tenant_too() -> None:
    """A derived key is no stronger than the secret, so the secret's length counts."""
    with pytest.raises(ConfigurationError, match="at least 32"):
        secret_keys("short", tenant="acme")


def challenge(keys: Sequence[bytes]) -> Callable[[str], bool]:
    """Sign a challenge under keys, and return what recognises it."""
    made = Challenges(keys, clock=system_clock).sign("token", system_clock() + timedelta(minutes=5))
    return lambda tenant: (
        Challenges(secret_keys(SECRET, tenant=tenant or None), clock=system_clock).token_of(made) == "token"
    )


def recovery_code(keys: Sequence[bytes]) -> Callable[[str], bool]:
    """Mark a recovery code under keys, and return what recognises it."""
    mark = RecoveryCodes(keys, random=system_random).mark("usr_1", CODE)
    return lambda tenant: (
        mark
        in RecoveryCodes(secret_keys(SECRET, tenant=tenant or None), random=system_random).candidates("usr_1", CODE)
    )


@pytest.mark.parametrize("issue", [challenge, recovery_code])
@pytest.mark.parametrize("tenant", ["", "acme", "other"])
def test_what_one_tenants_keys_sign_no_other_recognises(
    issue: Callable[[Sequence[bytes]], Callable[[str], bool]], tenant: str
) -> None:
    """Challenges and recovery codes of a tenant, or of none, are recognised there only."""
    recognises = issue(secret_keys(SECRET, tenant=tenant or None))
    assert [name for name in ("", "acme", "other") if recognises(name)] == [tenant]


def test_a_box_of_a_tenant_is_the_same_however_it_is_made() -> None:
    """``tenant=`` and ``.tenant()`` lead to the same key, also from another tenant's box, and to no other's."""
    box = AesGcmBox(SECRET, tenant="acme")
    sealed = box.seal(b"seed", associated=b"place")
    for same in (AesGcmBox(SECRET).tenant("acme"), AesGcmBox(SECRET).tenant("other").tenant("acme")):
        assert same.open(sealed, associated=b"place") == b"seed"
    for other in (AesGcmBox(SECRET), box.tenant("other"), AesGcmBox(sha256(SECRET).digest(), tenant="acme")):
        with pytest.raises(ValueError, match="not sealed"):
            other.open(sealed, associated=b"place")
