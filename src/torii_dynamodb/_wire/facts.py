"""AWS's names, in one table: operations, error codes, partitions. Pure.

Sources: the DynamoDB API Reference; the Developer Guide, "Error handling"; botocore's ``_retry.json``, standard retry
mode, ``partitions.json`` and ``endpoint-rule-set-1.json`` for DynamoDB (a test compares the partitions with them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

__all__ = [
    "BUSY_TABLE",
    "CAPACITY_OPERATIONS",
    "DATA_PLANE",
    "DENIED",
    "KINDS",
    "MISSING_TABLE",
    "NOT_OFFERED",
    "PARTITIONS",
    "READS",
    "REASON_KINDS",
    "REFUSED_CREDENTIALS",
    "SINGLE_WRITES",
    "THROTTLES",
    "WRITES",
    "Kind",
]

Kind = Literal["throttle", "transient", "timeout", "conflict", "skew", "expired", "stale", "final"]

READS: Final = frozenset({"BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"})
SINGLE_WRITES: Final = frozenset({"DeleteItem", "PutItem", "UpdateItem"})
WRITES: Final = SINGLE_WRITES | {"BatchWriteItem", "TransactWriteItems"}
CAPACITY_OPERATIONS: Final = READS | WRITES
"""The operations that report consumed capacity when asked."""

DATA_PLANE: Final = CAPACITY_OPERATIONS | {"BatchExecuteStatement", "ExecuteStatement", "ExecuteTransaction"}
"""Operations on items. For them, a missing table is a configuration error; for others it is a result."""

THROTTLES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_CONFLICTS = frozenset(
    {"ReplicatedWriteConflictException", "TransactionConflictException", "TransactionInProgressException"}
)
_TRANSIENT = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerErrorException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
# The last two are also returned for rotated credentials: fetching them again may help.
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
# A wrong signature may be due to a wrong clock.
_SKEW = frozenset({"RequestInTheFuture", "RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch"})
DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccountProblem",
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "UnauthorizedOperation",
    }
)
REFUSED_CREDENTIALS: Final = DENIED | _EXPIRED | _SKEW
"""Every code that means that these credentials are not allowed to do this now."""

_CODES: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("throttle", THROTTLES),
    ("conflict", _CONFLICTS),
    ("transient", _TRANSIENT),
    ("expired", _EXPIRED),
    ("skew", _SKEW),
)
KINDS: Final[Mapping[str, Kind]] = {code: kind for kind, codes in _CODES for code in codes}
"""What to do about an error code; see :class:`~torii_dynamodb._wire.errors.Failure`. Others are final."""

REASON_KINDS: Final[Mapping[str, Kind]] = {
    "ProvisionedThroughputExceeded": "throttle",
    "ThrottlingError": "throttle",
    "TransactionConflict": "conflict",
}
"""The same for the reasons of a cancelled transaction."""

NOT_OFFERED: Final = frozenset(
    {
        "InvalidAction",
        "NotImplemented",
        "NotImplementedException",
        "UnknownAction",
        "UnknownOperation",
        "UnknownOperationException",
        "UnsupportedOperation",
        "UnsupportedOperationException",
    }
)
"""What emulators and compatible databases return for an operation that they do not offer."""

MISSING_TABLE: Final = frozenset(
    {"ResourceNotFoundException", "SourceTableNotFoundException", "TableNotFoundException"}
)
BUSY_TABLE: Final = frozenset({"BackupInUseException", "LimitExceededException", "TableInUseException"})
"""Other control-plane work is in progress on the table or in the account; waiting helps."""

PARTITIONS: Final[tuple[tuple[tuple[str, ...], str, str, tuple[str, ...] | None], ...]] = (
    (("cn-", "aws-cn-"), "amazonaws.com.cn", "api.amazonwebservices.com.cn", ("cn-north-1", "cn-northwest-1")),
    (("us-gov-", "aws-us-gov-"), "amazonaws.com", "api.aws", ("us-gov-east-1", "us-gov-west-1")),
    (("us-isob-", "aws-iso-b-"), "sc2s.sgov.gov", "api.aws.scloud", ()),
    (("us-isof-", "aws-iso-f-"), "csp.hci.ic.gov", "api.aws.hci.ic.gov", ()),
    (("eu-isoe-", "aws-iso-e-"), "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", ()),
    (("us-iso-", "aws-iso-"), "c2s.ic.gov", "api.aws.ic.gov", ()),
    (("eusc-",), "amazonaws.eu", "api.amazonwebservices.eu", ()),
    (("",), "amazonaws.com", "api.aws", None),
)
"""Per partition: the prefixes of its Regions, including pseudo Regions (aws-cn-global); the domain of its endpoints;
that of its dual-stack endpoints; its Regions with account endpoints (``None`` for all)."""
