"""Exports users in the form that :mod:`torii_dynamodb.admin.moving.native` describes, for other systems."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, TextIO

from torii_dynamodb._rules import totp
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._sync.secret_box import SecretBox, box_of_tenant
from torii_dynamodb._sync.storage.handle import DynamoDbHandle
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.admin.moving import native
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.errors import CorruptItem, ValidationError
from torii_dynamodb.legacy import LegacyAccount, LegacyPasskey, LegacyTotp, LegacyUser
from torii_dynamodb.models import Factor, Listing, OAuthAccount, Passkey, User

__all__ = ["ExportForm", "UserExportReport", "export_users"]

ExportForm = Literal["jsonl", "csv"]

_PAGE: Final = 200
_LEFT_APP: Final = "an authenticator app"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExportReport:
    """The result of an export of users.

    Args:
        users: Users in the file.
        passwords: Those of them with a password hash.
        without_seeds: Those with an authenticator app whose seed is not in the file.
        without_recovery_codes: Those whose recovery codes are not in the file: only their MACs are stored.
        unopened: IDs of users with a seed that the given secrets do not open.
        corrupt: Keys of users that cannot be read, and are missing from the file.
        units: Read units that it took, estimated.
    """

    users: int
    passwords: int
    without_seeds: int
    without_recovery_codes: int
    unopened: tuple[str, ...]
    corrupt: tuple[str, ...]
    units: float

    @property
    def ok(self) -> bool:
        """Whether everything could be read and opened."""
        return not self.unopened and not self.corrupt


def export_users(
    storage: DynamoDbHandle,
    file: Path,
    *,
    form: ExportForm = "jsonl",
    box: SecretBox | None = None,
    overwrite: bool = False,
    workers: int = 16,
    rate: Pacer | None = None,
    progress: Report = silent,
) -> UserExportReport:
    """Write all users to a file that only its owner can read. It contains password hashes: protect it like the tables.

    It is not a snapshot: it reads while others write. The file appears when it is complete.

    Args:
        storage: Where from; a tenant's handle exports the tenant.
        file: Where to.
        form: ``"jsonl"`` or ``"csv"``.
        box: Opens the seeds of authenticator apps, to export them in plain text: ``AesGcmBox(secret)``, also for a
            tenant, whose keys it derives. ``None``: they are not exported, and the users are marked as having a second
            factor that cannot be moved.
        overwrite: Whether an existing file is replaced.
        workers: How many users are read at a time.
        rate: Limits the read units.
        progress: Receives the progress.

    Raises:
        Occupied: The file exists.
        ValidationError: The file cannot be written there.
        ToriiError: DynamoDB cannot be used.
    """
    if file.exists() and not overwrite:
        raise Occupied(f"{file} exists; name another file, or use overwrite (--overwrite) to replace it")
    exporter = _Exporter(storage, box, rate or Pacer(None))
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise ValidationError("file", f"{file} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as target:
            report = exporter.run(target, form, workers, progress)
            target.flush()
            os.fsync(target.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return report


@dataclass(frozen=True, slots=True)
class _Found:
    """A user, and what of the user is not in the file."""

    user: LegacyUser
    unopened: bool = False
    recovery_codes: bool = False


class _Exporter:
    def __init__(self, storage: DynamoDbHandle, box: SecretBox | None, rate: Pacer) -> None:
        self._storage = storage
        self._box = None if box is None else box_of_tenant(box, storage.tenant_name)
        self._rate = rate
        self._corrupt: list[str] = []

    def run(self, target: TextIO, form: ExportForm, workers: int, progress: Report) -> UserExportReport:
        write: Callable[[LegacyUser], str] = native.csv_line if form == "csv" else native.json_line
        if form == "csv":
            target.write(native.csv_header())
        users = passwords = without_seeds = without_codes = 0
        unopened: list[str] = []
        for page in self._pages():
            for found in gather(*(partial(self._found, user) for user in page), limit=workers) if page else []:
                if found is None:
                    continue
                target.write(write(found.user))
                users += 1
                passwords += found.user.password_hash is not None
                without_seeds += _LEFT_APP in found.user.other_factors
                without_codes += found.recovery_codes
                if found.unopened:
                    unopened.append(str(found.user.id))
            progress(Progress(task="export users", done=users, unit="users"))
        return UserExportReport(
            users=users,
            passwords=passwords,
            without_seeds=without_seeds,
            without_recovery_codes=without_codes,
            unopened=tuple(unopened),
            corrupt=tuple(self._corrupt),
            units=self._rate.spent,
        )

    def _pages(self) -> Iterator[list[User]]:
        cursor: str | None = None
        while True:
            self._rate.wait()
            page = self._storage.list_users(limit=_PAGE, cursor=cursor)
            self._rate.spend(len(page.items))
            self._corrupt += [one.key or "a user without an id" for one in page.corrupt]
            yield list(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _found(self, user: User) -> _Found | None:
        """Return a user with everything; ``None`` if something of it cannot be read."""
        self._rate.wait()
        try:
            return self._whole(user)
        except CorruptItem as error:
            self._corrupt.append(f"{user.id} ({error.key})")
            return None
        finally:
            self._rate.spend(len(user.identities) + len(user.factors) + 2)

    def _whole(self, user: User) -> _Found:
        storage = self._storage
        credentials = storage.get_credentials_by_email(user.email) if user.has_password else None
        has_links = len(user.identities) > 1
        accounts = storage.list_oauth_accounts_for_user(user.id) if has_links else Listing[OAuthAccount]()
        passkeys = storage.list_passkeys_for_user(user.id) if has_links else Listing[Passkey]()
        factors = storage.list_factors_for_user(user.id, user=user) if user.factors else Listing[Factor]()
        apps = [factor for factor in factors if factor.kind == "totp"]
        seeds, unopened = self._seeds(apps)
        whole = LegacyUser(
            email=user.email_as_given,
            id=user.id,
            name=user.name,
            email_verified=user.is_email_verified,
            email_verified_at=user.email_verified_at,
            password_hash=credentials.password_hash if credentials is not None else None,
            created_at=user.created_at,
            locked=user.locked_at is not None,
            locked_at=user.locked_at,
            metadata=user.metadata,
            accounts=tuple(
                LegacyAccount(
                    provider=one.provider,
                    subject=one.subject,
                    email=one.email,
                    profile=one.profile,
                    created_at=one.created_at,
                )
                for one in accounts
            ),
            passkeys=tuple(
                LegacyPasskey(
                    credential_id=one.credential_id,
                    public_key=one.public_key,
                    sign_count=one.sign_count,
                    name=one.name,
                    transports=one.transports,
                    aaguid=one.aaguid,
                    backed_up=one.backed_up,
                    backup_eligible=one.backup_eligible,
                    created_at=one.created_at,
                    last_used_at=one.last_used_at,
                    imported=one.imported,
                )
                for one in passkeys
            ),
            passkeys_are_second_factor="passkey" in user.factors,
            totp=seeds,
            other_factors=(_LEFT_APP,) if len(seeds) < len(apps) else (),
            disconnected=user.disconnected,
        )
        return _Found(whole, unopened=unopened, recovery_codes="recovery" in user.factors)

    def _seeds(self, apps: list[Factor]) -> tuple[tuple[LegacyTotp, ...], bool]:
        """Return the apps whose seeds are exported, and whether one could not be opened."""
        if self._box is None:
            return (), False
        opened: list[LegacyTotp] = []
        for app in apps:
            place = totp.associated(app.user_id, app.id)
            with suppress(ValueError):
                seed = self._box.open(app.secret or b"", associated=place)
                opened.append(LegacyTotp(seed=seed, name=app.name, created_at=app.created_at))
        return tuple(opened), len(opened) < len(apps)
