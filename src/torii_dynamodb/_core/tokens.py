"""One-time secrets: tokens, PKCE verifiers, challenges. They share one table and are used up in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb._core.keys import challenge_key, code_key, item_key, pkce_key, token_key
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._rules import typed_codes, validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.sealing import seal_under_state, unseal_under_state
from torii_dynamodb._rules.secrets import digest, make_one_time_token
from torii_dynamodb._rules.times import epoch_seconds, from_epoch_seconds, to_text
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.errors import CorruptItem, ValidationError
from torii_dynamodb.models import (
    NewPasskeyChallenge,
    NewToken,
    PasskeyChallenge,
    PkceVerifier,
    Token,
    User,
    VerifiedToken,
)
from torii_dynamodb.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from torii_dynamodb.models import CeremonyKind, Metadata

__all__ = [
    "bearer_item",
    "challenge_item",
    "checked_challenge",
    "checked_token",
    "consume",
    "is_unused",
    "issue",
    "kind",
    "latest_id",
    "pkce_item",
    "put_new",
    "read",
    "read_challenge",
    "read_pkce",
    "seal_pkce",
    "serial_for",
    "set_serial",
    "unseal_pkce",
    "verified",
]

_SEALED = "sealed_flow"
_KINDS = ("registration", "authentication")


def checked_token(new_token: NewToken, user: User | None, now: datetime) -> NewToken:
    """Return the token with every field checked and normalised."""
    validation.instance(new_token, "new_token", NewToken)
    purpose = validation.purpose(new_token.purpose)
    expires_at = _to_come(new_token.expires_at, now)
    user_id = None if new_token.user_id is None else validation.user_id(new_token.user_id)
    if user is not None:
        validation.instance(user, "user", User)
        if user.id != user_id:
            raise ValidationError("user", "is not the user that new_token.user_id names")
    revoke = validation.flag(new_token.revoke_earlier, "revoke_earlier")
    if user_id is None and new_token.email is None:
        raise ValidationError("user_id", "give user_id, or email for a token without a user")
    if user_id is not None and new_token.email is not None:
        raise ValidationError("email", "is only for a token without a user; otherwise the user's address is used")
    if revoke and user_id is None:
        raise ValidationError("revoke_earlier", "needs user_id, because revocation is stored on the user")
    email = None if new_token.email is None else normalise_email(new_token.email).normalised
    return replace(
        new_token,
        purpose=purpose,
        expires_at=expires_at,
        user_id=user_id,
        email=email,
        metadata=validation.metadata(new_token.metadata),
    )


def issue(
    new_token: NewToken, user: User | None, now: datetime, random: RandomBytes, *, names_user: bool = True
) -> Token:
    """Return the token with its secret, bound to the user's current address."""
    secret = make_one_time_token(new_token.user_id if names_user else None, random)
    return Token(
        id=token_key(new_token.purpose, digest(secret)),
        purpose=new_token.purpose,
        user_id=new_token.user_id,
        email=new_token.email if user is None else user.email,
        created_at=now,
        expires_at=new_token.expires_at,
        metadata=new_token.metadata,
        token=secret,
    )


def bearer_item(token: Token, user: User | None) -> Item:
    """Return the item that a token is stored as, with everything it is bound to in the user."""
    item = _one_time_item(token.id, token.created_at, token.expires_at, token.metadata)
    item["purpose"] = {"S": token.purpose}
    if token.email is not None:
        item["email"] = {"S": token.email}
    if user is not None:
        item["user_id"] = {"S": user.id}
        item["epoch"] = av.number(user.session_epoch)
        serial = users.serial_of(user, token.purpose)
        if serial is not None:
            item["serial"] = {"S": serial}
    check_item_size(item, "the token")
    return item


@reading.reader("tokens")
def read(item: Item) -> Token:
    """Read a token from its item, without its secret."""
    return Token(
        id=reading.text(item, "id"),
        purpose=reading.text(item, "purpose"),
        user_id=reading.optional_text(item, "user_id"),
        email=reading.optional_text(item, "email"),
        created_at=reading.moment(item, "created_at"),
        expires_at=reading.expires_at(item),
        metadata=reading.metadata(item),
    )


def set_serial(table: str, user: User, purpose: str, serial: str, now: datetime) -> users.Change:
    """Return the write that invalidates the user's earlier tokens of a purpose."""
    after = users.changed(user, now, token_serials={**user.token_serials, purpose: serial})
    return users.Change(after, (users.update_if_version(table, user, after),))


def serial_for(token: Token) -> str:
    """Return the serial that an issue with ``revoke_earlier`` sets. It leads back to the token: see ``latest_id``."""
    return digest(token.token)


def latest_id(user: User, purpose: str) -> str | None:
    """Return the key of the token of a purpose that was last issued with ``revoke_earlier``."""
    serial = user.token_serials.get(purpose)
    return None if serial is None else token_key(purpose, serial)


def is_unused(item: Item | None, now: datetime) -> bool:
    """Return whether a one-time item exists, has not expired and was not used."""
    return item is not None and "consumed_by" not in item and _expires(item) > epoch_seconds(now)


@reading.reader("tokens")
def _expires(item: Item) -> int:
    return reading.integer(item, "expires_at")


def verified(item: Item | None, named_user: str, user: User | None) -> VerifiedToken | None:
    """Return the token with its user; ``None`` if it does not exist, or what it was bound to has changed.

    Args:
        item: The token's item.
        named_user: The user that the token's text names; empty for none.
        user: That user, from a strongly consistent read.
    """
    if item is None:
        return None
    token = read(item)
    if token.user_id is None:
        holds = not named_user
    else:
        holds = (
            user is not None
            and named_user == token.user_id == user.id
            and token.email == user.email
            and _epoch(item) == user.session_epoch
            and item.get("serial", {}).get("S") == users.serial_of(user, token.purpose)
        )
    return VerifiedToken(token=token, user=user) if holds else None


@reading.reader("tokens")
def _epoch(item: Item) -> int:
    return reading.integer(item, "epoch")


def consume(
    table: str,
    token_id: str,
    write_id: str,
    now: datetime,
    also: Mapping[str, str] | None = None,
    *,
    returns: bool = False,
) -> dict[str, Any]:
    """Return the update that uses up a one-time item. A retry with the same ``write_id`` recognises its own mark.

    Args:
        table: The table's name.
        token_id: The item's key.
        write_id: Identifies this use.
        now: The current time.
        also: Attributes that must have these values.
        returns: Whether to return the item; for a single ``UpdateItem``.
    """
    condition = (
        "attribute_exists(#id) AND #expires_at > :now AND (attribute_not_exists(#consumed_by) OR #consumed_by = :me)"
    )
    values: dict[str, Attribute] = {":me": {"S": write_id}, ":now": av.number(epoch_seconds(now))}
    for name, value in (also or {}).items():
        condition += f" AND #{name} = :{name}"
        values[f":{name}"] = {"S": value}
    return ex.update(table, item_key(token_id), "SET #consumed_by = :me", condition, values, returns=returns)


def issue_code(new_token: NewToken, user: User | None, now: datetime, random: RandomBytes) -> Token:
    """Return the flow token of a mailed code. Anybody can get one, so it must not show who has an account."""
    token = issue(new_token, user, now, random, names_user=False)
    return replace(token, id=code_key(digest(token.token)))


def code_item(token: Token, user: User | None, code: str) -> Item:
    """Return the item of a code: a one-time item with the code's mark."""
    return {**bearer_item(token, user), "mark": {"S": typed_codes.mark(token.token, code)}}


def check_code(code: object) -> str:
    """Check a code to store, and return its eight ASCII digits."""
    found = typed_codes.typed(code)
    if found is None:
        raise ValidationError("code", f"must be {typed_codes.DIGITS} digits")
    return found


def try_code(table: str, token_id: str, purpose: str, attempt: str, now: datetime) -> dict[str, Any]:
    """Return the ``UpdateItem`` that counts a try of a code, before it is compared.

    Tries are listed in order, each with its mark: the first one with the right mark passes, and a retry finds itself.
    So counting, comparing and using up are one write.
    """
    return ex.update(
        table,
        item_key(token_id),
        "SET #tries = list_append(if_not_exists(#tries, :none), :mine)",
        "attribute_exists(#id) AND #expires_at > :now AND #purpose = :purpose "
        "AND (attribute_not_exists(#tries) OR (size(#tries) < :most AND NOT contains(#tries, :me)))",
        {
            ":none": {"L": []},
            ":mine": {"L": [{"S": attempt}]},
            ":me": {"S": attempt},
            ":most": av.number(typed_codes.TRIES),
            ":now": av.number(epoch_seconds(now)),
            ":purpose": {"S": purpose},
        },
        returns=True,
    )


@reading.reader("tokens")
def code_passes(item: Item, attempt: str) -> bool:
    """Whether a counted try is the first one with the right mark."""
    right = reading.text(item, "mark")
    first = next((tried for tried in reading.text_list(item, "tries") if tried.endswith(f".{right}")), None)
    return first == attempt


def put_new(table: str, item: Item, now: datetime) -> dict[str, Any]:
    """Return the ``PutItem`` of a one-time item under a key that the caller chose, unless an unexpired one has it."""
    return ex.put(table, item, f"{ex.NOT_TAKEN} OR #expires_at <= :now", {":now": av.number(epoch_seconds(now))})


def pkce_item(
    state: str, verifier: str, expires_at: datetime, metadata: Metadata | None, now: datetime, random: RandomBytes
) -> Item:
    """Return the item of a PKCE verifier, sealed with its metadata under the state, which is stored as its hash."""
    state = validation.secret_text(state, "state", least=16, most=512)
    # RFC 7636, 4.1: 43 to 128 characters.
    verifier = validation.secret_text(verifier, "verifier", least=43, most=128)
    checked = validation.metadata({} if metadata is None else metadata)
    item = _one_time_item(pkce_key(state), now, _to_come(expires_at, now), {})
    sealed = seal_pkce(verifier, checked, state=state, place=_place(item), random=random)
    item[_SEALED] = av.binary(sealed)
    check_item_size(item, "the verifier")
    return item


def seal_pkce(verifier: str, metadata: Metadata, *, state: str, place: bytes, random: RandomBytes) -> bytes:
    """Seal a verifier and its metadata under the state."""
    plain = json.dumps({"verifier": verifier, "metadata": av.encode(metadata)}, separators=(",", ":"))
    return seal_under_state(plain.encode(), state=state, place=place, random=random)


def unseal_pkce(sealed: bytes, *, state: str, place: bytes) -> tuple[str, Metadata]:
    """Open what :func:`seal_pkce` sealed. Raises ``ValueError`` if it does not open."""
    kept = json.loads(unseal_under_state(sealed, state=state, place=place))
    return kept["verifier"], cast("Metadata", av.decode(kept["metadata"]))


def read_pkce(item: Item, state: str) -> PkceVerifier | None:
    """Read the verifier from its item, given the state; ``None`` for a row in an earlier format."""
    if _SEALED not in item:
        return None
    sealed, place, expires_at = _read_sealed(item)
    try:
        verifier, metadata = unseal_pkce(sealed, state=state, place=place)
    except ValueError:
        raise CorruptItem("tokens", _SEALED, "it was not sealed under this state, or was altered") from None
    return PkceVerifier(verifier=verifier, expires_at=expires_at, metadata=metadata)


def _place(item: Item) -> bytes:
    """Return what a seal is bound to: its row's key and expiry."""
    return f"{item['id']['S']}#{item['expires_at']['N']}".encode(errors="surrogatepass")


@reading.reader("tokens")
def _read_sealed(item: Item) -> tuple[bytes, bytes, datetime]:
    reading.text(item, "id")
    expires_at = reading.expires_at(item)
    return reading.binary(item, _SEALED), _place(item), expires_at


def checked_challenge(challenge: NewPasskeyChallenge, now: datetime) -> NewPasskeyChallenge:
    """Return the challenge with every field checked."""
    validation.instance(challenge, "challenge", NewPasskeyChallenge)
    return replace(
        challenge,
        challenge=validation.binary(challenge.challenge, "challenge", least=16, most=64),
        kind=kind(challenge.kind),
        expires_at=_to_come(challenge.expires_at, now),
        user_id=None if challenge.user_id is None else validation.user_id(challenge.user_id),
        metadata=validation.metadata(challenge.metadata),
    )


def kind(value: object) -> CeremonyKind:
    """Check the kind of a ceremony."""
    if value == "registration":
        return "registration"
    if value == "authentication":
        return "authentication"
    raise ValidationError("kind", f"give one of {', '.join(_KINDS)}")


def challenge_item(challenge: NewPasskeyChallenge, now: datetime) -> Item:
    """Return the item that a challenge is stored as."""
    item = _one_time_item(challenge_key(challenge.challenge), now, challenge.expires_at, challenge.metadata)
    item["kind"] = {"S": challenge.kind}
    if challenge.user_id is not None:
        item["user_id"] = {"S": challenge.user_id}
    check_item_size(item, "the challenge")
    return item


@reading.reader("tokens")
def read_challenge(item: Item) -> PasskeyChallenge:
    """Read a stored challenge."""
    return PasskeyChallenge(
        kind="registration" if reading.text(item, "kind") == "registration" else "authentication",
        user_id=reading.optional_text(item, "user_id"),
        created_at=reading.moment(item, "created_at"),
        expires_at=reading.expires_at(item),
        metadata=reading.metadata(item),
    )


def _one_time_item(item_id: str, now: datetime, expires_at: datetime, metadata: Metadata) -> Item:
    item: Item = {
        "id": {"S": item_id},
        "created_at": {"S": to_text(now)},
        "expires_at": av.number(epoch_seconds(expires_at)),
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if metadata:
        item["metadata"] = av.encode(metadata)
    return item


def _to_come(value: object, now: datetime) -> datetime:
    expires_at = validation.moment(value, "expires_at")
    if expires_at <= now:
        raise ValidationError("expires_at", f"{to_text(expires_at)} is in the past; give a time in the future")
    return from_epoch_seconds(epoch_seconds(expires_at))
