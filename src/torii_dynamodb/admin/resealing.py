"""Seals everything that is kept under the application's ``secret`` anew, so that an old secret can be dropped.

That is the seeds of authenticator apps and providers' tokens. Recovery codes cannot be sealed anew: what is stored of
them can be made only from the codes themselves. Those made under an older secret are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import sleep as machine_sleep
from typing import Any, Final, Literal, get_args

from torii_dynamodb._core import factors, oauth
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import FACTOR, OAUTH
from torii_dynamodb._core.layout import by_tenant
from torii_dynamodb._rules import provider_tokens, totp, validation
from torii_dynamodb._rules.app_secret import secret_keys
from torii_dynamodb._rules.recovery_codes import RecoveryCodes
from torii_dynamodb._rules.sealing import Keyring
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ConditionFailed
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, scan
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import CorruptItem, Unavailable

__all__ = ["ResealReport", "reseal"]

# While another process writes an item: longer in total than it may hold the lease on a provider's tokens.
_PAUSES: Final = (0.1, 0.5, *(1.0 for _ in range(35)))

_Outcome = Literal["seeds", "tokens", "current", "unopened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealReport:
    """The result of a run.

    Args:
        seeds: Seeds of authenticator apps that were sealed anew, or would be.
        tokens: Accounts whose providers' tokens were sealed anew, or would be.
        current: Values that were under the first secret already.
        unopened: IDs of the items that cannot be read, or that none of the secrets opens: what is sealed in them is
            lost without its secret. A tenant's begin with ``@<tenant>#``.
        old_recovery_codes: Recovery codes made under an older secret. They are refused once it is dropped.
        users_with_old_recovery_codes: The ids of their users, who need new codes before that. A tenant's begin with
            ``@<tenant>#``.
        units: Capacity units that it took.
    """

    seeds: int
    tokens: int
    current: int
    unopened: tuple[str, ...]
    old_recovery_codes: int
    users_with_old_recovery_codes: tuple[str, ...]
    units: float

    @property
    def ok(self) -> bool:
        """Whether everything could be opened."""
        return not self.unopened


def reseal(
    config: DynamoDbConfig,
    client: Client,
    secrets: Sequence[str | bytes],
    *,
    tenant: str | None = None,
    dry_run: bool = False,
    rate: Pacer | None = None,
    report: Report = silent,
    pause: Callable[[float], object] = machine_sleep,
) -> ResealReport:
    """Seal seeds and providers' tokens under the first secret, wherever they are under another.

    The application may run meanwhile, with the same secrets in the same order. After an interruption, run it again:
    it does nothing twice.

    Args:
        config: Where the tables are.
        client: The client.
        secrets: The application's secrets, the new one first.
        tenant: Only this tenant's items, for a tenant with secrets of its own; ``None``: all items.
        dry_run: Change nothing, and count.
        rate: Limits the reads and writes.
        report: Receives the progress.
        pause: Sleeps for a number of seconds, while another process changes an item.

    Raises:
        ConfigurationError: A secret is too short, or a table is missing.
        ValidationError: ``tenant`` is not a tenant's name.
        Unavailable: An item kept changing. Run it again.
    """
    secrets = secret_keys(list(secrets))
    only = None if tenant is None else validation.tenant(tenant)
    return _Resealer(config, Items(config, client), secrets, only, dry_run, rate or Pacer(None), report, pause).run()


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A sealed value, where it belongs, and how to replace it."""

    kind: Literal["seeds", "tokens"]
    value: bytes
    associated: bytes
    replace: Callable[[bytes], dict[str, Any]]
    busy: bool = False


@dataclass(slots=True)
class _Resealer:
    _config: DynamoDbConfig
    _items: Items
    _secrets: Sequence[bytes]
    _only: str | None
    _dry_run: bool
    _rate: Pacer
    _report: Report
    _pause: Callable[[float], object]

    def run(self) -> ResealReport:
        counts: dict[_Outcome, int] = dict.fromkeys(get_args(_Outcome), 0)
        unopened: list[str] = []
        old_codes: dict[str, int] = {}
        keys: dict[str | None, tuple[Keyring, str]] = {}
        seen = 0
        everybody = self._items
        for page in scan(everybody.client, everybody.name("identities"), rate=self._rate):
            owned = ((tenant, item) for tenant, items in by_tenant("identities", page.items).items() for item in items)
            for tenant, item in owned:
                if self._only not in (None, tenant):
                    continue
                self._items = everybody.of(tenant)
                ring, current_key = keys.get(tenant) or keys.setdefault(tenant, self._keys_of(tenant))
                whose = "" if tenant is None else f"@{tenant}#"
                old = [mark for mark in item.get("codes", {}).get("SS", []) if not mark.startswith(f"{current_key}.")]
                if old:
                    old_codes[whose + item["user_id"]["S"]] = len(old)
                outcome = self._settle(item, ring)
                if outcome == "unopened":
                    unopened.append(whose + item["id"]["S"])
                if outcome is not None:
                    counts[outcome] += 1
            seen += len(page.items)
            self._report(Progress(task="seal anew", done=seen))
        return ResealReport(
            seeds=counts["seeds"],
            tokens=counts["tokens"],
            current=counts["current"],
            unopened=tuple(unopened),
            old_recovery_codes=sum(old_codes.values()),
            users_with_old_recovery_codes=tuple(old_codes),
            units=self._rate.spent,
        )

    def _keys_of(self, tenant: str | None) -> tuple[Keyring, str]:
        """What seals for a tenant, and the beginning of the marks of its new recovery codes."""
        secrets, random = secret_keys(self._secrets, tenant=tenant), self._config.random
        return Keyring(secrets, random=random), RecoveryCodes(secrets, random=random).current_key_id

    def _settle(self, item: Item, ring: Keyring) -> _Outcome | None:
        """Seal an item's value anew, reading the item again while others change it."""
        now: Item | None = item
        for pause in _PAUSES:
            try:
                sealed = None if now is None else self._sealed(now)
                if sealed is None:
                    return None
                if ring.is_current(sealed.value):
                    return "current"
                plain = ring.open(sealed.value, associated=sealed.associated)
            except (CorruptItem, ValueError):
                return "unopened"
            if self._dry_run:
                return sealed.kind
            if not sealed.busy and self._replace(sealed, ring.seal(plain, associated=sealed.associated)):
                return sealed.kind
            self._pause(pause)
            now = self._read(item)
        raise Unavailable(f"{item['id']['S']} kept changing; run this again", attempts=len(_PAUSES))

    def _sealed(self, item: Item) -> _Sealed | None:
        table = self._items.name("identities")
        key = item["id"]["S"]
        if key.startswith(FACTOR):
            factor = factors.read(item)
            if factor.secret is None:
                return None
            place = totp.associated(factor.user_id, factor.id)
            return _Sealed("seeds", factor.secret, place, lambda new: factors.reseal(table, factor, new))
        if not key.startswith(OAUTH):
            return None
        account = oauth.read(item)
        value = provider_tokens.sealed_of(account)
        if value is None:
            return None
        place = provider_tokens.associated(account.provider, account.subject)
        # Whoever holds the lease will store fresh tokens over exactly these.
        busy = provider_tokens.is_leased(account.tokens, self._config.clock())
        return _Sealed(
            "tokens", value, place, lambda new: oauth.reseal(table, item, provider_tokens.stored(new)), busy=busy
        )

    def _replace(self, sealed: _Sealed, new: bytes) -> bool:
        self._rate.wait()
        try:
            self._items.client.call("UpdateItem", sealed.replace(new))
        except ConditionFailed as refused:
            # A retry whose first attempt was applied finds its own value.
            now = None if refused.item is None else self._sealed(refused.item)
            return now is not None and now.value == new
        finally:
            self._rate.spend(1)
        return True

    def _read(self, item: Item) -> Item | None:
        self._rate.wait()
        place = (self._items.name("identities"), {"id": item["id"]})
        (found,) = self._items.client.batch_get([place], consistent=True)
        self._rate.spend(1)
        return found
