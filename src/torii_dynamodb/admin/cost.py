"""The monthly cost of the tables: the measured units of each flow, times its frequency, times the prices.

Units come from ``data/units.json`` and, for a single table, ``data/units_single.json``, which
:func:`~torii_dynamodb.admin.measuring.measure` derives from consumed capacity; prices from ``data/prices.json``, which
can be replaced, since prices change and differ by Region. Estimates leave out the free tier, data transfer and taxes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import ceil, inf
from pathlib import Path
from typing import Any, Final, Literal, cast
from xml.sax.saxutils import escape

from torii_dynamodb.admin.options import TableClass
from torii_dynamodb.config import TABLES, StoredTable
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.schema import SCHEMA

__all__ = [
    "FLOWS",
    "Estimate",
    "FlowCost",
    "Units",
    "Workload",
    "bars",
    "estimate",
    "load_prices",
    "load_units",
    "svg",
]

LayoutName = Literal["tables", "single"]

FLOWS: Final[Mapping[str, str]] = {
    "sign_up": "register with a password",
    "sign_in": "sign in with a password",
    "second_factor_sign_in": "sign in with a password and a second factor",
    "session_check": "check a session",
    "session_refresh": "refresh a session",
    "sign_out": "sign out",
    "sign_out_everywhere": "sign out everywhere",
    "password_change": "change a password",
    "oauth_sign_in": "sign in with OAuth",
    "token": "issue and use a one-time token",
    "email_code": "issue and use a mailed code",
}
"""The flows that are measured, by name."""

# Small items in bytes, each with DynamoDB's overhead of 100: user and identity; session. Five tables have index copies
# of users and sessions, a single one has longer keys.
_BYTES: Final[Mapping[LayoutName, tuple[int, int]]] = {
    "tables": (3 * 100 + 2 * 350 + 250, 2 * 100 + 2 * 400),
    "single": (2 * 100 + 350 + 250 + 2 * 40, 100 + 400 + 20),
}
_MONTH = 30.4

_Tables = Mapping[StoredTable, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Consumption of one run of a flow.

    Args:
        requests: Requests to DynamoDB.
        read: Read units.
        write: Write units, including those of the indexes.
        tables: The same by table: ``(read, write)``.
    """

    requests: int
    read: float
    write: float
    tables: _Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The use of the tables in a month.

    Args:
        users: Users on record.
        sign_ups: Registrations.
        sign_ins: Password sign-ins.
        second_factor_sign_ins: Password sign-ins with a second factor, which do not count as ``sign_ins``.
        oauth_sign_ins: Sign-ins with a known OAuth account.
        checks: Session checks: usually one for each request to your application.
        refreshes: Session refreshes.
        sign_outs: Sign-outs of one session.
        sign_outs_everywhere: Sign-outs of all sessions at once.
        password_changes: Changes of a password.
        tokens: One-time tokens (magic links, resets, verifications), issued and used.
        email_codes: Mailed codes, issued and used.
        session_days: The lifetime of a session in days; determines how many are stored.
        regions: The number of Regions. Each replica receives every write and stores everything.
        table_class: Storage class.
        consistent: Whether checks use strongly consistent reads.
        peak: The busiest hour as a multiple of the average; provisioned capacity is bought for it.
        utilisation: The part of provisioned capacity that is used, 0 to 1; the rest is headroom.
        point_in_time_recovery: Whether PITR is on.
    """

    users: int = 10_000
    sign_ups: float = 500
    sign_ins: float = 20_000
    second_factor_sign_ins: float = 0
    oauth_sign_ins: float = 0
    checks: float = 1_000_000
    refreshes: float = 0
    sign_outs: float = 5_000
    sign_outs_everywhere: float = 0
    password_changes: float = 200
    tokens: float = 1_000
    email_codes: float = 0
    session_days: float = 14
    regions: int = 1
    table_class: TableClass = "STANDARD"
    consistent: bool = True
    peak: float = 3.0
    utilisation: float = 0.7
    point_in_time_recovery: bool = False

    def __post_init__(self) -> None:
        for name in (
            "users", "sign_ups", "sign_ins", "second_factor_sign_ins", "oauth_sign_ins", "checks", "refreshes",
            "sign_outs", "sign_outs_everywhere", "password_changes", "tokens", "email_codes", "session_days",
        ):  # fmt: skip
            if not 0 <= getattr(self, name) < inf:
                raise ValidationError(name, f"must be 0 or more, not {getattr(self, name)}")
        if self.regions < 1:
            raise ValidationError("regions", f"must be 1 or more, not {self.regions}")
        if not 1 <= self.peak < inf:
            raise ValidationError(
                "peak", f"must be 1 or more, not {self.peak}: the busiest hour cannot be below the average"
            )
        if not 0 < self.utilisation <= 1:
            raise ValidationError("utilisation", f"must be above 0 and at most 1, not {self.utilisation}")

    def runs(self) -> dict[str, float]:
        """How often each flow runs in the month."""
        return {
            "sign_up": self.sign_ups,
            "sign_in": self.sign_ins,
            "second_factor_sign_in": self.second_factor_sign_ins,
            "oauth_sign_in": self.oauth_sign_ins,
            "session_check": self.checks,
            "session_refresh": self.refreshes,
            "sign_out": self.sign_outs,
            "sign_out_everywhere": self.sign_outs_everywhere,
            "password_change": self.password_changes,
            "token": self.tokens,
            "email_code": self.email_codes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCost:
    """The monthly cost of a flow.

    Args:
        flow: Its name.
        runs: How often it runs.
        read: Total read units.
        write: Total write units, in all Regions.
        on_demand: The price on demand.
    """

    flow: str
    runs: float
    read: float
    write: float
    on_demand: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The monthly cost of a workload.

    Args:
        layout: The layout that the units were measured with.
        currency: The currency of all prices.
        prices_as_of: The date of the prices.
        region: The Region of the prices.
        prices_note: The note in the prices file; the library's own prices should be checked.
        flows: By flow, most expensive first.
        on_demand: The price of all requests on demand.
        provisioned: The price of capacity provisioned for the busiest hour.
        capacity: That capacity, as ``(read, write)`` units by table with its indexes: writes in each Region, reads in
            all Regions together.
        storage_gb: Storage in each Region.
        storage: Its price, including PITR.
        break_even_peak: Provisioned is cheaper while the busiest hour is below this multiple of the average; 0 if it
            never is.
    """

    layout: LayoutName
    currency: str
    prices_as_of: str
    region: str
    prices_note: str
    flows: tuple[FlowCost, ...]
    on_demand: float
    provisioned: float
    capacity: Mapping[StoredTable, tuple[int, int]]
    storage_gb: float
    storage: float
    break_even_peak: float

    @property
    def cheaper(self) -> str:
        """``"on_demand"`` or ``"provisioned"``."""
        return "on_demand" if self.on_demand <= self.provisioned else "provisioned"


def load_prices(path: Path | None = None) -> dict[str, Any]:
    """The prices from a file, or those that come with the library (``as_of`` is their date)."""
    return _load(path, "prices.json")


def load_units(path: Path | None = None, layout: LayoutName = "tables") -> dict[str, dict[str, Units]]:
    """The measured units, by consistency (``"strong"``, ``"eventual"``) and flow.

    Args:
        path: A file from ``cost measure``; ``None`` for those that come with the library.
        layout: Which of the latter.

    Raises:
        ConfigurationError: The file cannot be read, or does not contain units.
    """
    name = "units.json" if layout == "tables" else "units_single.json"
    given = _load(path, name)
    try:
        return {
            mode: {
                flow: Units(
                    requests=int(one["requests"]),
                    read=float(one["read"]),
                    write=float(one["write"]),
                    tables={table: (float(pair[0]), float(pair[1])) for table, pair in one["tables"].items()},
                )
                for flow, one in flows.items()
            }
            for mode, flows in given["flows"].items()
        }
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path or name}: not valid units: {error!r}; create them with: torii-dynamodb cost measure --out"
        ) from error


def estimate(
    workload: Workload,
    *,
    region: str = "us-east-1",
    prices: Mapping[str, Any] | None = None,
    units: Mapping[str, Mapping[str, Units]] | None = None,
) -> Estimate:
    """Estimate the monthly cost of a workload.

    Raises:
        ConfigurationError: Prices for the Region are missing or incomplete.
    """
    try:
        return _estimate(workload, region, prices or load_prices(), units or load_units())
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the prices or units lack {error}, or it is not a number; `torii-dynamodb cost prices` and `cost units` "
            "show the format"
        ) from error


def _estimate(
    workload: Workload, region: str, price: Mapping[str, Any], every: Mapping[str, Mapping[str, Units]]
) -> Estimate:
    if region not in price["regions"]:
        raise ConfigurationError(
            f"there are no prices for {region}, only for {', '.join(sorted(price['regions']))}; "
            "give your own price file (--prices)"
        )
    rates = price["regions"][region]
    measured = every["strong" if workload.consistent else "eventual"]
    per_unit = rates["on_demand"][workload.table_class]
    flows: list[FlowCost] = []
    single = any("table" in used.tables for used in measured.values())
    layout: LayoutName = "single" if single else "tables"
    tables: tuple[StoredTable, ...] = ("table",) if single else TABLES
    totals: dict[StoredTable, list[float]] = {table: [0.0, 0.0] for table in tables}
    for flow, runs in workload.runs().items():
        used = measured[flow]
        for table, (table_read, table_write) in used.tables.items():
            totals[table][0] += table_read * runs
            totals[table][1] += table_write * runs
        read, write = used.read * runs, used.write * runs * workload.regions
        cost = (read * per_unit["read_million"] + write * per_unit["write_million"]) / 1e6
        flows.append(FlowCost(flow=flow, runs=runs, read=read, write=write, on_demand=cost))
    on_demand = sum(flow.on_demand for flow in flows)
    hourly, hours = rates["provisioned"][workload.table_class], float(price["hours_a_month"])

    def bought(
        peak: float, whole: Callable[[StoredTable, float], float]
    ) -> tuple[float, dict[StoredTable, tuple[int, int]]]:
        cost = 0.0
        capacity: dict[StoredTable, tuple[int, int]] = {}
        for table, pair in totals.items():
            read, write = (whole(table, units / hours / 3600 * peak / workload.utilisation) for units in pair)
            # A read happens in one Region, a write in every one.
            cost += (read * hourly["read_hour"] + write * hourly["write_hour"] * workload.regions) * hours
            capacity[table] = (ceil(read), ceil(write))
        return cost, capacity

    # A table has at least one unit of each, and so does each of its indexes.
    least = {table: 1 if single else 1 + len(SCHEMA[table].indexes) for table in tables}
    provisioned, capacity = bought(workload.peak, lambda table, needed: max(least[table], ceil(needed)))
    at_average, _ = bought(1.0, lambda table, needed: needed)
    of_user, of_session = _BYTES[layout]
    stored = (workload.users * of_user + _live_sessions(workload) * of_session) / 1e9
    gb_month = rates["storage_gb_month"][workload.table_class]
    if workload.point_in_time_recovery:
        gb_month += rates["point_in_time_gb_month"]
    return Estimate(
        layout=layout,
        currency=str(price["currency"]),
        prices_as_of=str(price["as_of"]),
        region=region,
        prices_note=str(price.get("note", "")),
        flows=tuple(sorted(flows, key=lambda flow: -flow.on_demand)),
        on_demand=on_demand,
        provisioned=provisioned,
        capacity=capacity,
        storage_gb=stored,
        storage=stored * gb_month * workload.regions,
        break_even_peak=on_demand / at_average if at_average else 0.0,
    )


def _live_sessions(workload: Workload) -> float:
    begun = workload.sign_ins + workload.second_factor_sign_ins + workload.oauth_sign_ins
    return max(0.0, begun - workload.sign_outs) * workload.session_days / _MONTH


def bars(estimate: Estimate, *, width: int = 40) -> list[str]:
    """The chart for a terminal: a line for each flow, then for storage and both totals."""
    rows = _rows(estimate)
    most = max((cost for _, cost in rows), default=0.0) or 1.0
    longest = max(len(label) for label, _ in rows)
    return [
        f"{label:<{longest}}  {'█' * round(cost / most * width):<{width}}  {_money(estimate, cost)}"
        for label, cost in rows
    ]


def svg(estimate: Estimate) -> str:
    """The chart as SVG, readable without colours."""
    rows = _rows(estimate)
    most = max((cost for _, cost in rows), default=0.0) or 1.0
    height = 28 * len(rows) + 50
    title = f"Monthly cost, {estimate.region}, prices as of {estimate.prices_as_of}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" role="img" font-family="sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="720" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for index, (label, cost) in enumerate(rows):
        y, length = 40 + 28 * index, cost / most * 360
        fill = "#9a3412" if label.startswith("total") else "#1d4ed8"
        parts += [
            f'<text x="12" y="{y + 15}" font-size="13">{escape(label)}</text>',
            f'<rect x="220" y="{y}" width="{length:.1f}" height="20" fill="{fill}"/>',
            f'<text x="{228 + length:.1f}" y="{y + 15}" font-size="13">{escape(_money(estimate, cost))}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rows(estimate: Estimate) -> list[tuple[str, float]]:
    rows = [(FLOWS[flow.flow], flow.on_demand) for flow in estimate.flows if flow.runs]
    return [
        *rows,
        ("storage", estimate.storage),
        ("total, on demand", estimate.on_demand + estimate.storage),
        ("total, provisioned", estimate.provisioned + estimate.storage),
    ]


def _money(estimate: Estimate, amount: float) -> str:
    return f"{amount:,.2f} {estimate.currency}"


def _load(path: Path | None, name: str) -> dict[str, Any]:
    source = path if path is not None else files("torii_dynamodb.admin") / "data" / name
    try:
        given: Any = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path or name} cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise ConfigurationError(f"{path or name} is not a JSON object")
    return cast("dict[str, Any]", given)
