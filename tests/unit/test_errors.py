"""The library's errors can cross processes, and be logged without secrets."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from torii_dynamodb import errors
from torii_dynamodb.errors import ToriiError

ONE_OF_EACH: list[ToriiError] = [
    errors.ToriiError("it went wrong", request_id="REQUEST"),
    errors.ValidationError("email", "is empty"),
    errors.AlreadyExists("email", "taken", request_id="REQUEST"),
    errors.NotFound("user", "there is no such user"),
    errors.VersionConflict("somebody was first"),
    errors.LastSignInMethod("the last"),
    errors.TooManyIdentities("too many", limit=90),
    errors.TooManyFactors("too many", limit=5),
    errors.ClonedAuthenticator("cloned", stored=2, received=1),
    errors.Revoked("signed out"),
    errors.ProviderDisconnected("no longer"),
    errors.InvalidCredentials("wrong"),
    errors.InvalidToken("wrong"),
    errors.InvalidCode("wrong"),
    errors.SecondFactorRequired("due"),
    errors.AccountLocked("locked", retry_after=timedelta(seconds=3), locked_at=datetime(2026, 11, 22, tzinfo=UTC)),
    errors.RateLimited("too many", retry_after=timedelta(seconds=3)),
    errors.Overloaded("busy", retry_after=timedelta(seconds=1)),
    errors.ItemTooLarge("large", size=2, limit=1, largest=[("metadata", 2)]),
    errors.TransactionFailed("refused", reasons=["None"]),
    errors.Unavailable("away", attempts=4),
    errors.Throttled("slow down", attempts=4),
    errors.CacheUnavailable("the cache is away", attempts=4),
    errors.AccessDenied("denied"),
    errors.ConfigurationError("no region"),
    errors.RequestRejected("refused", aws_code="ValidationException"),
    errors.CorruptItem("users", "email", "a string is expected"),
]


def test_all_are_here() -> None:
    """Every public error is in the list above."""
    assert {type(error).__name__ for error in ONE_OF_EACH} == set(errors.__all__)


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_copying(error: ToriiError) -> None:
    """An error survives pickling: its type, text and attributes stay the same."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
