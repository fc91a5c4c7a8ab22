"""OAuth accounts and PKCE verifiers: what is stored, and the requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import OAUTH, oauth_key
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.times import to_text
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import UNSET, NewOAuthAccount, OAuthAccount, Unset
from torii_dynamodb.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from torii_dynamodb.models import Metadata

__all__ = [
    "account_model",
    "changed",
    "checked",
    "checked_changes",
    "expects",
    "read",
    "reseal",
    "to_item",
    "write_if_unchanged",
]


def checked(account: NewOAuthAccount) -> NewOAuthAccount:
    """Return the account with every field checked."""
    validation.instance(account, "account", NewOAuthAccount)
    return replace(
        account,
        provider=validation.provider(account.provider),
        subject=validation.subject(account.subject),
        email=None if account.email is None else validation.text(account.email, "email", most=320),
        profile=validation.metadata(account.profile, "profile"),
        tokens=validation.metadata(account.tokens, "tokens"),
    )


def account_model(account: NewOAuthAccount, user_id: str, now: datetime) -> OAuthAccount:
    """Return the account as linked now."""
    return OAuthAccount(
        provider=account.provider,
        subject=account.subject,
        user_id=user_id,
        email=account.email,
        profile=account.profile,
        tokens=account.tokens,
        created_at=now,
        updated_at=now,
    )


def checked_changes(
    *, email: str | None | Unset, profile: Metadata | Unset, tokens: Metadata | Unset
) -> dict[str, Any]:
    """Return the fields that ``update_oauth_account`` changes, checked."""
    fields: dict[str, Any] = {}
    if email is not UNSET:
        fields["email"] = None if email is None else validation.text(email, "email", most=320)
    if profile is not UNSET:
        fields["profile"] = validation.metadata(profile, "profile")
    if tokens is not UNSET:
        fields["tokens"] = validation.metadata(tokens, "tokens")
    if not fields:
        raise ValidationError("update_oauth_account", "has nothing to change; give the new values by keyword")
    return fields


def expects(account: OAuthAccount, tokens: Metadata | Unset) -> bool:
    """Return whether the account's tokens are the expected ones, if any are given.

    They are compared as stored: 1 is not 1.0, and NaN equals itself.
    """
    return isinstance(tokens, Unset) or av.encode(account.tokens) == av.encode(tokens)


def changed(account: OAuthAccount, now: datetime, fields: dict[str, Any]) -> OAuthAccount:
    """Return the account after a change."""
    return replace(account, updated_at=now, **fields)


def to_item(account: OAuthAccount) -> Item:
    """Return the item that an account is stored as."""
    item: Item = {
        "id": {"S": oauth_key(account.provider, account.subject)},
        "user_id": {"S": account.user_id},
        "created_at": {"S": to_text(account.created_at)},
        "updated_at": {"S": to_text(account.updated_at)},
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if account.email is not None:
        item["email"] = {"S": account.email}
    if account.profile:
        item["profile"] = av.encode(account.profile)
    if account.tokens:
        item["tokens"] = av.encode(account.tokens)
    check_item_size(item, "the account")
    return item


@reading.reader("identities")
def read(item: Item) -> OAuthAccount:
    """Read an account from its item."""
    provider, _, subject = reading.text(item, "id")[len(OAUTH) :].partition("#")
    created_at = reading.moment(item, "created_at")
    return OAuthAccount(
        provider=provider,
        subject=subject,
        user_id=reading.text(item, "user_id"),
        email=reading.optional_text(item, "email"),
        profile=reading.metadata(item, "profile"),
        tokens=reading.metadata(item, "tokens"),
        created_at=created_at,
        updated_at=reading.optional_moment(item, "updated_at") or created_at,
    )


def write_if_unchanged(table: str, before: Item, after: OAuthAccount) -> dict[str, Any]:
    """Return the write of an account, if its item is still as read and its user's.

    Two changes within one microsecond have the same ``updated_at``, so everything that can change is compared.
    """
    condition, values = ex.unchanged(before, ("user_id", "updated_at", "email", "profile", "tokens"))
    return {"Put": ex.put(table, to_item(after), condition, values)}


def reseal(table: str, before: Item, tokens: Metadata) -> dict[str, Any]:
    """Return the ``UpdateItem`` that replaces tokens sealed under an old secret, if they are still as read."""
    condition, values = ex.unchanged(before, ("user_id", "tokens"))
    new = {**values, ":new": av.encode(tokens)}
    return ex.update(table, {"id": before["id"]}, "SET #tokens = :new", condition, new)
