"""Users from other systems: everything that belongs to one, checked, and the writes that create it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import factors, oauth, passkeys, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import MAX_IDENTITIES, factor_key, oauth_key, passkey_key
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._rules import validation
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.errors import ItemTooLarge, TooManyFactors, ValidationError
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import Factor, NewFactor, NewOAuthAccount, NewPasskey, OAuthAccount, Passkey

if TYPE_CHECKING:
    from torii_dynamodb.models import User

__all__ = ["Arrival", "arrival", "creation", "what"]

MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
"""TransactWriteItems, API reference: all items together."""

Belonging = OAuthAccount | Passkey | Factor
B = TypeVar("B", OAuthAccount, Passkey, Factor)
N = TypeVar("N", NewOAuthAccount, NewPasskey, NewFactor)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A user about to be imported.

    Args:
        user: The user, as it will be stored.
        password_hash: The hash; ``None`` if there is none.
        belongings: What belongs to the user beside the address, by its key.
    """

    user: User
    password_hash: str | None
    belongings: dict[str, Belonging]


def arrival(imported: ImportedUser, now: datetime, random: RandomBytes) -> Arrival:
    """Return the user that is asked for, with every field checked.

    Raises:
        ValidationError: A field cannot be stored, the user has no id, or something belongs to another user or is given
            twice.
        TooManyIdentities: More accounts and passkeys than a user can have.
        TooManyFactors: More authenticator apps than a user can have.
    """
    validation.instance(imported, "imported", ImportedUser)
    created_at = validation.moment(imported.created_at, "created_at")
    user = users.new_user_model(imported.user, imported.password_hash, now, random)
    if imported.user.id is None:
        raise ValidationError("id", "is missing; an import needs one, so that it can be repeated")
    validation.instance(imported.disconnected, "disconnected", frozenset)
    belongings: dict[str, Belonging] = {}
    for key, one in _checked(imported, user.id):
        if key in belongings:
            raise ValidationError(_field(one), "contains the same one twice")
        belongings[key] = one
    names = {factors.factor_name(one.id) for one in belongings.values() if isinstance(one, Factor)}
    identities = [key for key, one in belongings.items() if not isinstance(one, Factor)]
    if len(user.identities) + len(identities) > MAX_IDENTITIES:
        raise users.too_many_identities()
    if len(names) > factors.MAX_TOTP:
        raise TooManyFactors(f"a user has at most {factors.MAX_TOTP} authenticator apps", limit=factors.MAX_TOTP)
    if validation.flag(imported.passkeys_are_second_factor, "passkeys_are_second_factor") and imported.passkeys:
        names.add(factors.PASSKEY)
    user = replace(
        user,
        created_at=created_at,
        locked_at=None if imported.locked_at is None else validation.moment(imported.locked_at, "locked_at"),
        identities=user.identities | set(identities),
        factors=frozenset(names),
        disconnected=frozenset(validation.provider(name, "disconnected") for name in imported.disconnected),
    )
    return Arrival(user, imported.password_hash, belongings)


def creation(users_table: str, identities_table: str, new: Arrival) -> list[dict[str, Any]]:
    """Return the writes: the user, the claim on the address, and what belongs to the user, in its order.

    Raises:
        ItemTooLarge: An item, or all together, would take more than DynamoDB accepts.
    """
    writes = users.creation(users_table, identities_table, new.user, new.password_hash)
    items = [_to_item(one) for one in new.belongings.values()]
    size = sum(map(item_size, items)) + sum(item_size(write["Put"]["Item"]) for write in writes)
    if size > MAX_TRANSACTION_BYTES:
        raise ItemTooLarge(
            f"the user would take {size:,} bytes with all accounts; one write has at most {MAX_TRANSACTION_BYTES:,}",
            size=size,
            limit=MAX_TRANSACTION_BYTES,
            largest=[],
        )
    return [*writes, *({"Put": ex.put(identities_table, item, ex.NOT_TAKEN)} for item in items)]


def what(belonging: Belonging) -> str:
    """Return what a taken one is called in an error."""
    return "oauth_account" if isinstance(belonging, OAuthAccount) else "passkey"


def _field(belonging: Belonging) -> str:
    return {OAuthAccount: "accounts", Passkey: "passkeys", Factor: "factors"}[type(belonging)]


def _to_item(one: Belonging) -> Item:
    if isinstance(one, OAuthAccount):
        return oauth.to_item(one)
    return passkeys.to_item(one) if isinstance(one, Passkey) else factors.to_item(one)


def _checked(imported: ImportedUser, user_id: str) -> Iterator[tuple[str, Belonging]]:
    for account in _own(imported.accounts, "accounts", OAuthAccount, user_id):
        good = oauth.checked(_as(NewOAuthAccount, account))
        created_at = validation.moment(account.created_at, "accounts.created_at")
        updated_at = validation.moment(account.updated_at, "accounts.updated_at")
        yield (
            oauth_key(good.provider, good.subject),
            replace(oauth.account_model(good, user_id, created_at), updated_at=updated_at),
        )
    for passkey in _own(imported.passkeys, "passkeys", Passkey, user_id):
        new = passkeys.checked(_as(NewPasskey, passkey))
        model = passkeys.passkey_model(new, validation.moment(passkey.created_at, "passkeys.created_at"))
        foreign = validation.flag(passkey.imported, "passkeys.imported")
        used_at = passkey.last_used_at
        if used_at is not None:
            used_at = validation.moment(used_at, "passkeys.last_used_at")
        yield passkey_key(new.credential_id), replace(model, last_used_at=used_at, imported=foreign)
    for factor in _own(imported.factors, "factors", Factor, user_id):
        if factor.kind != "totp":
            raise ValidationError("factors", "only authenticator apps (totp) can be imported")
        checked = factors.checked(_as(NewFactor, factor))
        created_at = validation.moment(factor.created_at, "factors.created_at")
        name = factors.factor_name(checked.id)
        yield (
            factor_key(user_id, name),
            Factor(
                user_id=user_id,
                id=checked.id,
                kind="totp",
                name=checked.name,
                created_at=created_at,
                last_used_at=None,
                secret=checked.secret,
                last_step=checked.last_step,
            ),
        )


def _own(given: tuple[B, ...], field: str, kind: type[B], user_id: str) -> Iterator[B]:
    if not isinstance(given, tuple):
        raise ValidationError(field, f"give a tuple of {kind.__name__}, not {type(given).__name__}")
    for one in given:
        validation.instance(one, field, kind)
        if one.user_id != user_id:
            raise ValidationError(field, "contains one of another user: user_id must be the user's id")
        yield one


def _as(kind: type[N], stored: Belonging) -> N:
    """Return a stored thing as a new one, for the checks of new ones."""
    return kind(**{name: getattr(stored, name) for name in kind.__dataclass_fields__})
