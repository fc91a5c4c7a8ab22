# Generated from tests/services/_async/test_oauth_providers.py by tools/unasync.py. Do not edit.

"""What providers are trusted with: the addresses they are the authority for, and the application's checks."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services._sync.test_oauth import OAuthSetting
from tests.services.provider import ISSUER

from torii_dynamodb._rules.oidc import identity_of, posted_name
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.oauth import OAuthError, OAuthIdentity, OAuthProvider, apple, github, google, microsoft, oidc

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
TENANT = "11111111-2222-3333-4444-555555555555"
GOOGLE = google("client", "secret")
MICROSOFT = microsoft("client", "secret")
APPLE = apple("client", team_id="TEAM", key_id="KEY", private_key="PRIVATE KEY")
GITHUB = github("client", "secret")
VERIFIED = {"email_verified": True}


def generic(rule: Any = ()) -> OAuthProvider:
    return oidc("issuer", ISSUER, "client", "secret", authoritative_for=rule)


def at_example(identity: OAuthIdentity) -> bool:
    return identity.claims.get("team") == "ours"


@pytest.mark.parametrize(
    ("provider", "claims", "expected"),
    [
        (GOOGLE, {"email": "ada@gmail.com", **VERIFIED}, True),
        (GOOGLE, {"email": "Ada@GMail.com", **VERIFIED}, True),
        (GOOGLE, {"email": "ada@googlemail.com", **VERIFIED}, True),
        (GOOGLE, {"email": "ada@gmail.com", "email_verified": False}, False),
        (GOOGLE, {"email": "ada@example.com", **VERIFIED}, False),
        (GOOGLE, {"email": "ada@example.com", "hd": "example.com", **VERIFIED}, True),
        (GOOGLE, {"email": "ada@example.com", "hd": "example.com"}, False),
        (GOOGLE, {"email": "ada@example.com", "hd": "evil.example", **VERIFIED}, False),
        (GOOGLE, {"email": "ada@gmail.com.evil.example", **VERIFIED}, False),
        (GOOGLE, {"email": '"a@gmail.com"@evil.example', **VERIFIED}, False),
        (GOOGLE, {"email": ["ada@gmail.com"], **VERIFIED}, False),
        (GOOGLE, {"email": "ada@example.com", "hd": ["example.com"], **VERIFIED}, False),
        (MICROSOFT, {"email": "ada@example.com", "tid": TENANT, **VERIFIED}, False),
        (MICROSOFT, {"email": "ada@example.com", "tid": TENANT, "xms_edov": True}, True),
        (MICROSOFT, {"email": "ada@example.com", "tid": TENANT, "xms_edov": "1"}, True),
        (MICROSOFT, {"email": "ada@example.com", "tid": TENANT, "xms_edov": False}, False),
        (MICROSOFT, {"email": "ada@example.com", "tid": PERSONAL, "xms_edov": True}, False),
        (MICROSOFT, {"email": "ada@outlook.com", "tid": PERSONAL, "xms_edov": True}, True),
        (APPLE, {"email": "x8sqp2@privaterelay.appleid.com", "email_verified": "true"}, True),
        (APPLE, {"email": "ada@icloud.com", "email_verified": True}, True),
        (APPLE, {"email": "ada@example.com", "email_verified": "true"}, False),
        (GITHUB, {"email": "ada@example.com", **VERIFIED}, False),
        (generic(), {"email": "ada@example.com", **VERIFIED}, False),
        (generic(["Example.com"]), {"email": "ada@example.COM", **VERIFIED}, True),
        (generic(["bücher.example"]), {"email": "ada@xn--bcher-kva.example", **VERIFIED}, True),
        (generic(["example.com"]), {"email": "ada@sub.example.com", **VERIFIED}, False),
        (generic(["example.com"]), {"email": "ada@example.com"}, False),
        (generic(["example.com"]), {"email": "not an address", **VERIFIED}, False),
        (generic(["*"]), {"email": "ada@example.com", **VERIFIED}, True),
        (generic(["*"]), {"email": "ada@example.com", "email_verified": "false"}, False),
        (generic(["*"]), {"email": None, **VERIFIED}, False),
        (generic(at_example), {"email": "ada@example.com", "team": "ours", **VERIFIED}, True),
        (generic(at_example), {"email": "ada@example.com", **VERIFIED}, False),
        (generic(lambda identity: "yes"), {"email": "ada@example.com", **VERIFIED}, False),
    ],
)
def test_for_which_addresses_a_provider_is_the_authority(
    provider: OAuthProvider, claims: dict[str, Any], expected: bool
) -> None:
    """Only for verified addresses, and only where the provider's documentation or the application says so."""
    found = identity_of(provider, claims, "subject-1")
    assert found.email_authoritative is expected
    assert found.claims == claims
    assert "ada" not in repr(found.claims) or "claims" not in repr(found)


def test_an_untrusted_provider_is_not_an_authority() -> None:
    """With trust_email off, no rule makes a provider the authority."""
    provider = oidc("issuer", ISSUER, "client", trust_email=False, authoritative_for=["*"])
    assert not identity_of(provider, {"email": "ada@example.com", **VERIFIED}, "1").email_authoritative


@pytest.mark.parametrize("rule", ["example.com", "*", ["@example.com"], ["https://example.com"], [""]])
def test_a_rule_must_be_a_list_of_domains(rule: Any) -> None:
    """A string in place of a list, or an invalid domain, is refused at construction."""
    with pytest.raises(ConfigurationError, match="authoritative_for"):
        generic(rule)


def test_a_check_sees_all_claims_and_may_refuse() -> None:
    """A check runs before any user is looked up or created; what it returns is the error's message."""
    seen: list[OAuthIdentity] = []

    def our_team(identity: OAuthIdentity) -> str | None:
        seen.append(identity)
        return None if identity.claims.get("team") == "ours" else "Only our team signs in here."

    with OAuthSetting(oidc("issuer", ISSUER, "client", "secret", check=our_team, authoritative_for=("*",))) as here:
        with pytest.raises(OAuthError, match="Only our team") as refused:
            here.sign_in()
        assert refused.value.reason == "refused"
        assert not (here.storage.list_users()).items
        here.provider.claims["team"] = "ours"
        assert (here.sign_in()).created
        assert seen[-1].claims["aud"] == "client"


@pytest.mark.parametrize("answer", [True, False, 0, ""])
def test_a_check_that_returns_something_else_refuses(answer: Any) -> None:
    """Only None lets a user in; True is not taken as a yes."""
    with OAuthSetting(oidc("issuer", ISSUER, "client", "secret", check=lambda _: answer)) as here:
        with pytest.raises(OAuthError if answer == "" else ConfigurationError):
            here.sign_in()
        assert not (here.storage.list_users()).items


def test_the_name_that_apple_posts() -> None:
    """The posted name becomes one line of bounded length; anything but Apple's JSON gives no name."""
    assert posted_name('{"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "x@y.z"}') == "Ada Lovelace"
    assert posted_name('{"name": {"firstName": "Ada\\u0000\\n", "lastName": null}}') == "Ada"
    for nonsense in (None, "", "null", "[]", "{}", '{"name": "Ada"}', '{"name": {}}', "{" * 5000, '{"name": [1]}'):
        assert posted_name(nonsense) is None
    long = posted_name('{"name": {"firstName": "' + "a" * 4000 + '"}}')
    assert long is not None
    assert len(long) == 256
