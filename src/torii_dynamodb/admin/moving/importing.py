"""Imports the users of a file."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from torii_dynamodb._core import importing as writes
from torii_dynamodb._core import users
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.foreign_hashes import identify, parse
from torii_dynamodb._rules.imported_hashes import needed_for
from torii_dynamodb._rules.legacy_users import converted, imported_id
from torii_dynamodb._sync.primitives import both, gather
from torii_dynamodb._sync.secret_box import SecretBox, box_of_tenant
from torii_dynamodb._sync.storage.handle import DynamoDbHandle
from torii_dynamodb.admin.control import where_of
from torii_dynamodb.admin.moving.reading import detect, open_export
from torii_dynamodb.admin.moving.reports import ReportFile, RowOutcome
from torii_dynamodb.admin.moving.rows import LegacyFormat, LegacyRow
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.transfer.keys import SeenKeys
from torii_dynamodb.errors import (
    AlreadyExists,
    ItemTooLarge,
    TooManyFactors,
    TooManyIdentities,
    ToriiError,
    ValidationError,
)
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import OAuthAccount, Passkey

__all__ = ["UserImportReport", "import_users", "report_beside"]

# Several round trips for each worker, yet an interruption repeats little.
_CHUNK: Final = 200
_REFUSALS = (ValidationError, AlreadyExists, TooManyIdentities, TooManyFactors, ItemTooLarge)
# A hash's parameters, or a text about what is left behind, come from the file: so many different ones are remembered.
_MOST_DIFFERENT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class UserImportReport:
    """The result of an import of users, including the rows of interrupted runs.

    Args:
        format: The format of the file.
        rows: Rows of the file.
        imported: Users that were created, or would be.
        present: Users that were imported before; nothing of them was changed.
        refused: Rows that were not imported.
        refused_by: Refused rows by the kind of reason.
        left_behind: How often something of a row was not imported, by what it is.
        unverified: Imported users whose address does not count as verified.
        hasher: What ``Torii`` has to be given so that the imported passwords work; empty if nothing special.
        units: Write units that this run consumed, estimated from the items' sizes.
        resumed: Whether it resumed an interrupted import.
        dry_run: Whether nothing was written.
        report: The file with a line for each row.
    """

    format: str
    rows: int
    imported: int
    present: int
    refused: int
    refused_by: dict[str, int]
    left_behind: dict[str, int]
    unverified: int
    hasher: str
    units: float
    resumed: bool
    dry_run: bool
    report: Path | None


def import_users(
    storage: DynamoDbHandle,
    file: Path,
    *,
    format: LegacyFormat | None = None,  # noqa: A002 - what it is called everywhere
    box: SecretBox | None = None,
    without_passwords: bool = False,
    without_second_factors: bool = False,
    verified: bool = False,
    dry_run: bool = False,
    report_to: Path | None = None,
    workers: int = 16,
    rate: Pacer | None = None,
    progress: Report = silent,
    tell: Callable[[RowOutcome], None] | None = None,
) -> UserImportReport:
    """Import the users of a file, each in one write that creates all of the user or nothing.

    It never changes a user who exists. Repeat it at will: a user who was imported is recognised by the id and the
    address. After an interruption, run it again with the same report to continue after the last row of the report.

    Args:
        storage: Where to; a tenant's handle imports into the tenant.
        file: An export, also compressed with gzip.
        format: Its format; ``None`` recognises it.
        box: Seals the seeds of authenticator apps, as the application does: ``AesGcmBox(secret)``, also for a tenant,
            whose keys it derives. ``None``: such users are refused.
        without_passwords: Import users whose password hash can never be verified without it. They can sign in by link,
            code or reset.
        without_second_factors: Import users whose second factors cannot be moved without them.
        verified: Count every address as verified, because the other system let nobody in who had not proved it,
            although the file does not say so.
        dry_run: Write nothing, and find out what would happen.
        report_to: A file for the report, which only its owner can read; ``None`` for none.
        workers: How many users are written at the same time.
        rate: Limits the write units.
        progress: Receives the progress.
        tell: Is called with the outcome of each row that this run treats, in the order of the file.

    Raises:
        ValidationError: The file cannot be read, its format is not known, or ``report_to`` is another import's.
        ToriiError: DynamoDB cannot be used; run it again.
    """
    with open_export(file) as stream:
        kind = detect(stream, format)
        importer = _Importer(
            storage=storage,
            source=kind.source,
            box=None if box is None else box_of_tenant(box, storage.tenant_name),
            without_passwords=without_passwords,
            without_second_factors=without_second_factors,
            verified=verified,
            dry_run=dry_run,
            workers=workers,
            rate=rate or Pacer(None),
        )
        identity = {
            "file": _sha256(file) if report_to is not None else "",
            "format": kind.name,
            "target": _target(storage),
            "dry_run": dry_run,
        }
        options = {
            "seeds": box is not None,
            "without_passwords": without_passwords,
            "without_second_factors": without_second_factors,
            "verified": verified,
        }
        with ReportFile(report_to, identity, options) as report, SeenKeys() as seen:
            for outcome in report.earlier():
                importer.count(outcome)
            settled, read = importer.rows, 0
            rows = kind.read(stream)
            while chunk := list(islice(rows, _CHUNK)):
                # Rows of an earlier run are checked again too: for duplicates, and for their kinds of hashes.
                prepared = [importer.prepare(row, seen) for row in chunk]
                outcomes = importer.settle(prepared[max(settled - read, 0) :])
                read += len(chunk)
                report.write(*(outcome.line() for outcome in outcomes))
                for outcome in outcomes:
                    importer.count(outcome)
                    if tell is not None:
                        tell(outcome)
                progress(Progress(task="import users", done=importer.rows, unit="users"))
            done = importer.result(kind.name, report)
            report.write({"finished": True, "rows": done.rows, "imported": done.imported, "refused": done.refused})
            return done


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A row, and the user to import or why there is none."""

    row: LegacyRow
    user: ImportedUser | None = None
    arrival: writes.Arrival | None = None
    left_behind: tuple[str, ...] = ()
    reason: str | None = None
    kind: str | None = None

    @property
    def who(self) -> str | None:
        """What the file calls the user."""
        user = self.row.user
        names = (self.row.who,) if user is None else (user.id, user.email)
        # A column in the wrong place may make it a hash, which must not be in the report.
        return next((name[:254] for name in names if name and identify(name) is None and "$" not in name), None)


def _twice(row: LegacyRow, keys: dict[str, str], seen: SeenKeys) -> _Prepared | None:
    """Return the refusal of a row that has something that an earlier one has; ``None`` if it has not."""
    places = seen.add_keys([key.encode(errors="replace") for key in keys], str(row.number))
    for what, place in zip(keys.values(), places, strict=True):
        if place is not None:
            return _Prepared(row, reason=f"{what} is in row {place} of the file too", kind="duplicate")
    return None


@dataclass(slots=True, kw_only=True)
class _Importer:
    storage: DynamoDbHandle
    source: str
    box: SecretBox | None
    without_passwords: bool
    without_second_factors: bool
    verified: bool
    dry_run: bool
    workers: int
    rate: Pacer
    rows: int = 0
    unverified: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    refused_by: Counter[str] = field(default_factory=Counter[str])
    left_behind: Counter[str] = field(default_factory=Counter[str])
    hashes: dict[object, str] = field(default_factory=dict[object, str])

    def prepare(self, row: LegacyRow, seen: SeenKeys) -> _Prepared:
        """Check all of a row that can be checked without DynamoDB."""
        if row.user is None:
            return _Prepared(row, reason=row.refused or "has no user", kind="unreadable")
        config = self.storage.config
        now: datetime = config.clock()
        try:
            user_id, email = imported_id(row.user, self.source), normalise_email(row.user.email).normalised
        except ValidationError as error:
            return _Prepared(row, reason=str(error), kind=_kind(error))
        # Before the rest is checked: if the first of two is refused for its second factor, the other must not take the
        # address without one.
        if twice := _twice(row, {f"user {user_id}": "the id", f"email {email}": "the address"}, seen):
            return twice
        try:
            found = converted(
                replace(row.user, email_verified=True) if self.verified else row.user,
                source=self.source,
                now=now,
                box=self.box,
                without_passwords=self.without_passwords,
                without_second_factors=self.without_second_factors,
            )
            arrival = writes.arrival(found.user, now, config.random)
            writes.creation("users", "identities", arrival)
        except _REFUSALS as error:
            return _Prepared(row, reason=str(error), kind=_kind(error))
        if twice := _twice(row, {key: _named(one) for key, one in arrival.belongings.items()}, seen):
            return twice
        self._note_hash(found.user)
        return _Prepared(row, found.user, arrival, left_behind=(*row.notes, *found.left_behind))

    def settle(self, prepared: list[_Prepared]) -> list[RowOutcome]:
        """Write rows, or find out what writing them would do; return the outcomes in their order."""
        return gather(*(partial(self._settle, one) for one in prepared), limit=self.workers) if prepared else []

    def _settle(self, one: _Prepared) -> RowOutcome:
        outcome = RowOutcome(number=one.row.number, outcome="refused", who=one.who, reason=one.reason, kind=one.kind)
        if one.user is None or one.arrival is None:
            return outcome
        try:
            created = self._would_create(one.arrival) if self.dry_run else self._create(one.user, one.arrival)
        except _REFUSALS as error:
            return replace(outcome, reason=_told(error), kind=_kind(error))
        return RowOutcome(
            number=one.row.number,
            outcome="imported" if created else "present",
            who=one.who,
            id=one.arrival.user.id,
            left_behind=one.left_behind if created else (),
            unverified=created and not one.arrival.user.is_email_verified,
        )

    def _create(self, user: ImportedUser, arrival: writes.Arrival) -> bool:
        self.rate.wait()
        try:
            _, created = self.storage.import_user(user)
        finally:
            self.rate.spend(_units(arrival))
        return created

    def _would_create(self, arrival: writes.Arrival) -> bool:
        """What import_user would return or raise, as far as it can be known before."""
        new = arrival.user
        user, claim = both(
            lambda: self.storage.get_user(new.id, consistent=True),
            lambda: self.storage.get_credentials_by_email(new.email),
        )
        if user is not None:
            if user.email == new.email:
                return False
            raise users.taken("user")
        if claim is not None:
            raise users.taken("email")
        for one in arrival.belongings.values():
            if (isinstance(one, OAuthAccount) and self._is_linked(one)) or (
                isinstance(one, Passkey) and self.storage.get_passkey(one.credential_id, consistent=True) is not None
            ):
                raise users.taken(writes.what(one))
        return True

    def _is_linked(self, account: OAuthAccount) -> bool:
        found = self.storage.get_oauth_account_by_provider_and_subject(
            account.provider, account.subject, consistent=True
        )
        return found is not None

    def _note_hash(self, user: ImportedUser) -> None:
        """Remember one hash of each set of parameters, to say which hasher the application needs."""
        stored = parse(user.password_hash) if user.password_hash is not None else None
        if stored is not None and len(self.hashes) < _MOST_DIFFERENT:
            key = (stored.format, *sorted(stored.numbers.items()), *sorted(stored.words.items()))
            self.hashes.setdefault(key, stored.text)

    def count(self, outcome: RowOutcome) -> None:
        """Count a row's outcome."""
        self.rows += 1
        self.outcomes[outcome.outcome] += 1
        self.unverified += outcome.unverified
        if outcome.kind is not None:
            self.refused_by[outcome.kind] += 1
        for what in outcome.left_behind:
            known = what in self.left_behind or len(self.left_behind) < _MOST_DIFFERENT
            self.left_behind[what if known else "other fields"] += 1

    def result(self, name: str, report: ReportFile) -> UserImportReport:
        """Return the result."""
        return UserImportReport(
            format=name,
            rows=self.rows,
            imported=self.outcomes["imported"],
            present=self.outcomes["present"],
            refused=self.outcomes["refused"],
            refused_by=dict(self.refused_by.most_common()),
            left_behind=dict(self.left_behind.most_common()),
            unverified=self.unverified,
            hasher=needed_for(self.hashes.values()) if self.hashes else "",
            units=self.rate.spent,
            resumed=report.resumed,
            dry_run=self.dry_run,
            report=report.path,
        )


def _kind(error: ToriiError) -> str:
    """What kind of refusal an error is, to count by: the field, or the kind of error."""
    if isinstance(error, AlreadyExists):
        return "taken"
    return error.field.split(".")[0] if isinstance(error, ValidationError) else error.code


def _told(error: ToriiError) -> str:
    if isinstance(error, AlreadyExists) and error.what == "user":
        return "a user with this id has another address: somebody else, or the same user, who has changed it since"
    return str(error)


def _named(belonging: writes.Belonging) -> str:
    if isinstance(belonging, OAuthAccount):
        return f"the account at {belonging.provider}"
    return "the passkey" if isinstance(belonging, Passkey) else "the authenticator app"


def _units(arrival: writes.Arrival) -> float:
    """The write units of an import: a transaction's writes cost double, and the users' index costs once more."""
    items: list[Any] = [write["Put"]["Item"] for write in writes.creation("users", "identities", arrival)]
    units = [math.ceil(item_size(item) / 1024) for item in items]
    return 2 * sum(units) + units[0]


def report_beside(file: Path, storage: DynamoDbHandle) -> Path:
    """Return a place for the report of an import: beside the file, another one for each target."""
    return file.with_name(f"{file.name}.import-{_target(storage)}.jsonl")


def _target(storage: DynamoDbHandle) -> str:
    config = storage.config
    parts = [where_of(config), *(config.table_name(table) for table in config.tables), storage.tenant_name or ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
