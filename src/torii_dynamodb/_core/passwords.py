"""Password hashes: stored on the email identity, with their version also on the user."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import EMAIL, email_key, item_key
from torii_dynamodb._core.users import Change, changed, drop_identity, update_if_version
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import Email
from torii_dynamodb.errors import ValidationError, VersionConflict
from torii_dynamodb.models import UNSET, PasswordCredentials, Unset, User

__all__ = [
    "check_expected",
    "check_proof_arguments",
    "complete_proof",
    "move_email",
    "read_credentials",
    "rehash",
    "remove_hash",
    "remove_password",
    "set_hash",
    "set_password",
]


@reading.reader("identities")
def read_credentials(item: Item) -> PasswordCredentials:
    """Read what a sign-in needs from an email identity."""
    identity = reading.text(item, "id")
    return PasswordCredentials(
        user_id=reading.text(item, "user_id"),
        email=identity[len(EMAIL) :],
        password_hash=reading.optional_text(item, "password_hash"),
        password_version=reading.optional_text(item, "password_version"),
    )


def check_expected(user: User, expected_version: str | None | Unset) -> None:
    """Refuse to replace a password other than the one that the caller verified."""
    if expected_version is not UNSET and expected_version != user.password_version:
        raise VersionConflict("the password has changed since it was checked; nothing was written")


def set_password(
    users_table: str, identities_table: str, user: User, password_hash: str, version: str, now: datetime
) -> Change:
    """Set the hash and end all sessions, in one transaction."""
    after = changed(user, now, password_version=version, session_epoch=user.session_epoch + 1)
    return Change(
        after,
        (
            update_if_version(users_table, user, after),
            set_hash(identities_table, user, password_hash, version),
        ),
    )


def reset(
    users_table: str, identities_table: str, user: User, password_hash: str, version: str, now: datetime
) -> Change:
    """Set the hash, end all sessions, and mark the address as verified. The caller adds the use of the token.

    The first proof of the address removes accounts and passkeys linked before it: whoever linked them may not own it.
    """
    fields: dict[str, Any] = {"password_version": version, "session_epoch": user.session_epoch + 1}
    dropped: list[dict[str, Any]] = []
    if not user.is_email_verified:
        fields |= {
            "email_verified_at": now,
            "identities": frozenset({email_key(user.email)}),
            "disconnected": frozenset(),
            "factors": frozenset(),
        }
        dropped = _drop_links(identities_table, user)
    after = changed(user, now, **fields)
    return Change(
        after,
        (
            update_if_version(users_table, user, after),
            set_hash(identities_table, user, password_hash, version),
            *dropped,
        ),
    )


def prove_email(users_table: str, identities_table: str, user: User, now: datetime, *, remove_unproven: bool) -> Change:
    """Mark the address as verified; with ``remove_unproven``, remove whatever was set up before the proof."""
    links = len(user.identities) > 1 or bool(user.factors)
    if not remove_unproven or not (links or user.has_password):
        # Sessions created before the proof may be somebody else's too, so they are ended in any case.
        fields: dict[str, Any] = {}
        if remove_unproven:
            fields = {"session_epoch": user.session_epoch + 1, "disconnected": frozenset(), "factors": frozenset()}
        after = changed(user, now, email_verified_at=now, **fields)
        return Change(after, (update_if_version(users_table, user, after),))
    after = changed(
        user,
        now,
        email_verified_at=now,
        password_version=None,
        session_epoch=user.session_epoch + 1,
        identities=frozenset({email_key(user.email)}),
        disconnected=frozenset(),
        factors=frozenset(),
    )
    removed = [remove_hash(identities_table, user)] if user.has_password else []
    return Change(after, (update_if_version(users_table, user, after), *removed, *_drop_links(identities_table, user)))


def complete_proof(
    users_table: str,
    identities_table: str,
    user: User,
    now: datetime,
    *,
    email: Email | None,
    claim: Item | None,
    keep: bool,
    password_hash: str | None,
    version: str,
) -> Change | None:
    """Mark an address as verified for the person who used a link sent to it. The caller adds the use of the link.

    Args:
        users_table: The table's name.
        identities_table: The table's name.
        user: The user as read.
        now: The current time.
        email: The address to change to; ``None``: the user's own was proved.
        claim: The item of the user's address as read, which moves with all it contains; only for a change that keeps.
        keep: Whether what was set up before stays. Otherwise the password, accounts and passkeys are removed, and
            sessions and tokens end.
        password_hash: A new password, set with the proof.
        version: The new password's version, and the serial that invalidates links to the old address.

    Returns:
        The writes, none for the user's own address if it was verified before; ``None`` if such a proof would set a
        password.
    """
    email = email or Email(user.email, user.email_as_given)
    moves = email.normalised != user.email
    if not moves and user.is_email_verified:
        return None if password_hash is not None else Change(user, ())
    fields: dict[str, Any] = users.email_fields(user, email, version) if moves else {}
    fields["email_verified_at"] = now
    if not keep:
        fields |= {
            "password_version": None if password_hash is None else version,
            "session_epoch": user.session_epoch + 1,
            "identities": frozenset({email_key(email.normalised)}),
            "disconnected": frozenset(),
            "factors": frozenset(),
        }
    after = changed(user, now, **fields)
    if moves and keep:
        assert claim is not None
        return move_email(users_table, identities_table, user, after, claim)
    writes = [update_if_version(users_table, user, after)]
    if moves:
        writes.append({"Put": ex.put(identities_table, users.email_identity(after, password_hash), ex.NOT_TAKEN)})
        writes.append(drop_identity(identities_table, email_key(user.email), user.id))
    elif password_hash is not None:
        writes.append(set_hash(identities_table, user, password_hash, version))
    elif not keep and user.has_password:
        writes.append(remove_hash(identities_table, user))
    return Change(after, (*writes, *([] if keep else _drop_links(identities_table, user))))


def _drop_links(table: str, user: User) -> list[dict[str, Any]]:
    links = [*sorted(user.identities - {email_key(user.email)}), *users.factor_keys(user)]
    return [drop_identity(table, name, user.id) for name in links]


def check_set_arguments(user_id: str, expected_version: str | None | Unset, user: User | None) -> None:
    """Refuse invalid arguments of ``set_password_hash``."""
    if not isinstance(expected_version, str | Unset) and expected_version is not None:
        raise ValidationError("expected_version", "give the password_version that was read, or None for no password")
    if user is not None:
        validation.instance(user, "user", User)
        if user.id != user_id:
            raise ValidationError("user", "is not the user that user_id names")


def check_proof_arguments(keep: object, password_hash: str | None) -> None:
    """Refuse invalid arguments of ``complete_email_proof``."""
    validation.flag(keep, "keep")
    if password_hash is not None:
        validation.password_hash(password_hash)
        if keep:
            raise ValidationError("password_hash", "replaces what was set up before; give it only with keep=False")


def remove_password(users_table: str, identities_table: str, user: User, now: datetime) -> Change:
    """Remove the hash and end all sessions, in one transaction."""
    after = changed(user, now, password_version=None, session_epoch=user.session_epoch + 1)
    return Change(after, (update_if_version(users_table, user, after), remove_hash(identities_table, user)))


def set_hash(table: str, user: User, password_hash: str, version: str) -> dict[str, Any]:
    """Return the write of a hash on the identity of the user's address."""
    return {
        "Update": ex.update(
            table,
            item_key(email_key(user.email)),
            "SET #password_hash = :hash, #password_version = :version",
            ex.OWNED,
            {":hash": {"S": password_hash}, ":version": {"S": version}, ":user_id": {"S": user.id}},
        )
    }


def remove_hash(table: str, user: User) -> dict[str, Any]:
    """Return the write that removes the hash from the identity of the user's address."""
    return {
        "Update": ex.update(
            table,
            item_key(email_key(user.email)),
            "REMOVE #password_hash, #password_version",
            ex.OWNED,
            {":user_id": {"S": user.id}},
        )
    }


def rehash(table: str, user_id: str, normalised_email: str, old_hash: str, new_hash: str) -> dict[str, Any]:
    """Return the write of a stronger hash of the same password, if that is still the stored one."""
    return {
        "Update": ex.update(
            table,
            item_key(email_key(normalised_email)),
            "SET #password_hash = :new",
            f"{ex.OWNED} AND #password_hash = :old",
            {":new": {"S": new_hash}, ":old": {"S": old_hash}, ":user_id": {"S": user_id}},
        )
    }


def move_email(users_table: str, identities_table: str, before: User, after: User, identity: Item) -> Change:
    """Give up the old address and claim the new one, with the hash, in one transaction.

    Args:
        users_table: The table's name.
        identities_table: The table's name.
        before: The user as read.
        after: The user with the new address.
        identity: The old address's item as read, which must not have changed.
    """
    moved = dict(identity) | {"id": {"S": email_key(after.email)}}
    condition, values = ex.unchanged(identity, ("user_id", "password_hash", "password_version"))
    return Change(
        after,
        (
            update_if_version(users_table, before, after),
            {"Put": ex.put(identities_table, moved, ex.NOT_TAKEN)},
            {"Delete": ex.delete(identities_table, item_key(email_key(before.email)), condition, values)},
        ),
    )
