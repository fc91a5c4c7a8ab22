"""Every error that this library raises on purpose.

The root is :class:`ToriiError`; its subclasses differ in what the caller does about them. Each has a stable ``code``
(for logs and APIs; it does not change between releases) and typed attributes. No message contains a password, a token
or a hash. If DynamoDB was involved, ``request_id`` is the id to quote to AWS support.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

__all__ = [
    "AccessDenied",
    "AccountLocked",
    "AlreadyExists",
    "CacheUnavailable",
    "ClonedAuthenticator",
    "ConfigurationError",
    "CorruptItem",
    "InvalidCode",
    "InvalidCredentials",
    "InvalidToken",
    "ItemTooLarge",
    "LastSignInMethod",
    "NotFound",
    "Overloaded",
    "ProviderDisconnected",
    "RateLimited",
    "RequestRejected",
    "Revoked",
    "SecondFactorRequired",
    "Throttled",
    "TooManyFactors",
    "TooManyIdentities",
    "ToriiError",
    "TransactionFailed",
    "Unavailable",
    "ValidationError",
    "VersionConflict",
]


class ToriiError(Exception):
    """The root of all errors of this library.

    Attributes:
        code: A stable, machine-readable name of the kind of error.
        request_id: The AWS request id of the response that caused it; ``None`` if there was no request or response.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # By default, unpickling calls the class with ``args`` only, which most of these do not accept: a worker process
        # could not return its error to its parent.
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[ToriiError], args: tuple[object, ...]) -> ToriiError:
    error = kind.__new__(kind)
    error.args = args
    return error


class ValidationError(ToriiError):
    """An argument is invalid. Raised before any request is sent; fix the argument.

    Attributes:
        field: The argument's name.
    """

    code = "validation_error"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class AlreadyExists(ToriiError):
    """An identity is taken: it belongs to a user already.

    Attributes:
        what: ``"user"``, ``"email"``, ``"oauth_account"`` or ``"passkey"``; for a one-time secret whose key was stored
            before, ``"state"`` or ``"challenge"``.
    """

    code = "already_exists"

    def __init__(self, what: str, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.what = what


class NotFound(ToriiError):
    """A write names something that does not exist (lookups return ``None`` instead).

    Attributes:
        what: The kind of thing, for example ``"user"``.
    """

    code = "not_found"

    def __init__(self, what: str, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.what = what


class VersionConflict(ToriiError):
    """Another writer was first. Nothing was written; read again, decide again, write again."""

    code = "version_conflict"


class Revoked(ToriiError):
    """The user's sessions were all ended (``session_epoch``) after the operation began.

    Nothing was written. Repeating the write cannot help: sign in and begin again.
    """

    code = "revoked"


class ProviderDisconnected(ToriiError):
    """The user disconnected this provider, so an account there is not linked just because it has the user's address.

    Nothing was written. The user may link it while signed in.
    """

    code = "provider_disconnected"


class LastSignInMethod(ToriiError):
    """Removing this would leave the user no way to sign in. Add another way first."""

    code = "last_sign_in_method"


class TooManyIdentities(ToriiError):
    """The user has as many identities as one atomic deletion can include.

    Nothing was written. Let the user remove a linked account or a passkey first.

    Attributes:
        limit: How many identities a user can have, including the email address.
    """

    code = "too_many_identities"

    def __init__(self, message: str, *, limit: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.limit = limit


class TooManyFactors(ToriiError):
    """The user has as many authenticator apps as one atomic deletion can carry.

    Nothing was written. Let the user remove one first.

    Attributes:
        limit: How many a user can have.
    """

    code = "too_many_factors"

    def __init__(self, message: str, *, limit: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.limit = limit


class ClonedAuthenticator(ToriiError):
    """Two authenticators may have the same private key: a sign count did not increase, or backup eligibility changed.

    WebAuthn Level 3, 6.1.1 and 7.2. Nothing was written. Refuse the sign-in, or accept the count and store it with
    ``allow_decrease=True``. Backup eligibility is permanent, so a change of it is always refused.

    Attributes:
        stored: The stored count.
        received: The count that the authenticator sent.
    """

    code = "cloned_authenticator"

    def __init__(self, message: str, *, stored: int, received: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.stored = stored
        self.received = received


class InvalidCredentials(ToriiError):
    """The sign-in is refused. It does not say whether the account exists.

    Show one message for all cases, and offer a password reset.
    """

    code = "invalid_credentials"


class InvalidCode(ToriiError):
    """A typed code is wrong, was used, or has expired; or a second factor was not accepted. It does not tell which.

    Let the person try again, or send another code.
    """

    code = "invalid_code"


class SecondFactorRequired(ToriiError):
    """A session was requested without the second factor that the user must give.

    Use ``torii.sign_in(user)``, which returns a challenge, or ask for the factor first.
    """

    code = "second_factor_required"


class InvalidToken(ToriiError):
    """A session or one-time token is unknown, expired, used, revoked or forged. It does not say which.

    Begin again: sign in, or send another link.
    """

    code = "invalid_token"


class AccountLocked(ToriiError):
    """There were too many attempts, or an administrator locked the account.

    Say when to try again (``retry_after``), and offer another way to sign in.

    Attributes:
        retry_after: How long until the next attempt is allowed; ``None`` for a lock that only an administrator can
            remove.
        locked_at: When an administrator locked the account; ``None`` for a lockout after too many attempts.
    """

    code = "account_locked"

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None,
        locked_at: datetime | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after
        self.locked_at = locked_at


class RateLimited(ToriiError):
    """There were too many requests of one kind from one address or user, or to one mailbox.

    Say when to try again (``retry_after``).

    Attributes:
        retry_after: How long until the next one is allowed.
        what: ``"requests"``, or ``"mail"`` if too many mails of this kind were requested for this mailbox. Links in
            mails that were already sent still work.
    """

    code = "rate_limited"

    def __init__(
        self, message: str, *, retry_after: timedelta, what: str = "requests", request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after
        self.what = what


class Overloaded(ToriiError):
    """This process is hashing as many passwords as allowed, and its queue is full.

    Nothing was read, counted or changed. Try again after ``retry_after``; if it happens often, add processes.

    Attributes:
        retry_after: How long to wait before trying again.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ItemTooLarge(ToriiError):
    """An item is over DynamoDB's 400 KB. Raised before anything is sent.

    Store less in ``metadata`` or ``profile``; ``largest`` says what takes the space.

    Attributes:
        size: The item's size in bytes, by DynamoDB's rules.
        limit: The maximum, in bytes.
        largest: The largest attributes, ``(name, bytes)``, largest first.
    """

    code = "item_too_large"

    def __init__(self, message: str, *, size: int, limit: int, largest: Sequence[tuple[str, int]]) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit
        self.largest = tuple(largest)


class TransactionFailed(ToriiError):
    """Your own atomic write (``transact_write``) was cancelled. None of it was applied.

    Attributes:
        reasons: One code per item, in the order they were added (``"None"`` where the item was not the cause), as
            DynamoDB names them: ``ConditionalCheckFailed``, ``ItemCollectionSizeLimitExceeded``, ...
    """

    code = "transaction_failed"

    def __init__(self, message: str, *, reasons: Sequence[str], request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.reasons = tuple(reasons)


class Unavailable(ToriiError):
    """DynamoDB could not be reached or failed, until the time or the number of attempts ran out. Try again later.

    It is unknown whether a write was applied. All writes of this library can be repeated safely.

    Attributes:
        attempts: How many requests were sent.
    """

    code = "unavailable"

    def __init__(self, message: str, *, attempts: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.attempts = attempts


class Throttled(Unavailable):
    """DynamoDB's capacity or this library's own rate limit was exceeded. Raise capacity or slow down.

    ``docs/throttling.md`` says how to find the cause.
    """

    code = "throttled"


class CacheUnavailable(Unavailable):
    """The cache could not be reached or failed (:mod:`torii_dynamodb.cache`). Session checks never raise it.

    Raised by a write that may end a session: DynamoDB has its result, but hosts that can reach the cache may see the
    previous state until ``max_age`` (60 seconds by default) has passed. Repeating the operation is safe.
    """

    code = "cache_unavailable"


class AccessDenied(ToriiError):
    """The credentials are wrong, expired, or lack a permission. The message names the operation and the table.

    ``torii-dynamodb iam policy`` prints a policy that is enough.
    """

    code = "access_denied"


class ConfigurationError(ToriiError):
    """The setup is wrong: no region, no credentials, a table that is missing or has other keys. Fix it and restart."""

    code = "configuration_error"


class RequestRejected(ToriiError):
    """DynamoDB rejected a request that this library built or passed on; retrying cannot help.

    If the request is not your own, report it as a bug, with ``request_id``.

    Attributes:
        aws_code: DynamoDB's name for the error, for example ``ValidationException``.
    """

    code = "request_rejected"

    def __init__(self, message: str, *, aws_code: str, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.aws_code = aws_code


class CorruptItem(ToriiError):
    """A stored item cannot be read: an attribute is missing or has the wrong type. Something else wrote it.

    ``torii-dynamodb verify`` finds all such items.

    Attributes:
        table: The kind of item (``"users"``, ``"sessions"``, ...).
        attribute: The attribute that could not be read.
        key: The item's partition key, if it is known. It may be personal (an email address), so the message leaves it
            out.
    """

    code = "corrupt_item"

    def __init__(self, table: str, attribute: str, reason: str, key: str | None = None) -> None:
        super().__init__(f"a stored item of {table} cannot be read: {attribute}: {reason}")
        self.table = table
        self.attribute = attribute
        self.key = key
