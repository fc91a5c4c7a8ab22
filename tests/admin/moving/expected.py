"""The samples of other systems' exports, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torii_dynamodb.admin.moving.reading import format_named
from torii_dynamodb.admin.moving.rows import LegacyRow

FOLDER = Path(__file__).parent / "samples"

NO_ADDRESS = "only users with an email address can be imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample file.

    Args:
        path: The file.
        format: Its format's name.
        users: What is known of each user, by the part of the address before the @.
        refused: The number, the name and a part of the reason of each row that is refused.
        notes: What the report says was not taken over.
        seeds: The seeds of authenticator apps, by user.
        passkeys: The passkeys, by user: the number that the private key is derived from, the credential's id, and what
            the authenticator calls the user.
    """

    path: Path
    format: str
    users: Mapping[str, set[str]]
    refused: Sequence[tuple[int, str | None, str]] = ()
    notes: Sequence[str] = ()
    seeds: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    passkeys: Mapping[str, tuple[int, bytes, str]] = field(default_factory=dict[str, tuple[int, bytes, str]])

    def __str__(self) -> str:
        return self.path.name

    def rows(self) -> list[LegacyRow]:
        """What its reader reads."""
        with self.path.open("rb") as file:
            return list(format_named(self.format).read(file))


def password_of(name: str) -> str:
    """Everybody's password."""
    return f"{name} likes green figs"


SAMPLES = [
    Sample(
        path=FOLDER / "auth0-users.ndjson",
        format="auth0",
        users={
            "nora.lind": {"verified", "password"},
            "otto.brandt": {"verified", "google:108234567890123456789", "github:583231"},
            "pia.holm": {"locked", "password"},
            "quin.mora": {"verified", "lost: guardian"},
            "rosa.vidal": {"verified", "password"},
        },
        refused=[(5, "sms|5f1e8c0a4b2d9e3c7a6f1024", NO_ADDRESS)],
    ),
    Sample(
        path=FOLDER / "auth0-bulk.json",
        format="auth0",
        users={
            "sven.dahl": {"verified", "password", "totp"},
            "tara.okoye": {"verified", "password"},
            "uma.reyes": {"verified", "password"},
            "vito.conti": {"verified", "password"},
            "wren.adler": {"verified", "password"},
            "xara.niemi": {"verified", "unknown password"},
            "yuri.sokol": {"lost: phone"},
        },
        refused=[(8, "zed", NO_ADDRESS)],
        notes=["the password, whose algorithm 'md5' is not supported"],
        seeds={"sven.dahl": b"Hello!\xde\xad\xbe\xefHello!\xde\xad\xbe\xef"},
    ),
    Sample(
        path=FOLDER / "authjs-scan.json",
        format="authjs",
        users={"dion.papas": {"google:106677889900112233445"}, "elle.dubois": {"verified"}},
        refused=[(6, "316039ee-4b9a-4c80-aea1-73325761a866", NO_ADDRESS)],
    ),
    Sample(
        path=FOLDER / "authjs-s3.jsonl",
        format="authjs",
        users={"dion.papas": {"google:106677889900112233445"}, "elle.dubois": {"verified"}},
        refused=[(2, "316039ee-4b9a-4c80-aea1-73325761a866", NO_ADDRESS)],
    ),
    Sample(
        path=FOLDER / "better-auth.json",
        format="better-auth",
        users={
            "gita.rao": {"verified", "password", "totp"},
            "hugo.vance": {"locked", "password"},
            "iris.falk": {"verified", "google:100011112222333344445", "passkey"},
            "jack.stone": {"verified", "lost: an authenticator app whose secret is still encrypted"},
        },
        seeds={"gita.rao": b"Zq3vXc8LmT1yWb6NkR4sJd9GhF2pQe7U"},
        passkeys={"iris.falk": (4712, b"better-auth-sample-credential-01", "k3vj8wq0z5xnt2c7m1rb6ys4ahd9fpeu")},
    ),
    Sample(
        path=FOLDER / "cognito.csv",
        format="cognito",
        users={"dora.quist": {"verified"}, "emil.bergstrom": set(), "faye.lowe": {"verified", "lost: SMS_MFA"}},
        refused=[(5, "gus", NO_ADDRESS)],
    ),
    Sample(
        path=FOLDER / "cognito-list-users.json",
        format="cognito",
        users={
            "hana.sato": {"verified"},
            "ivo.petrov": {"google:112233445566778899000"},
            "juno.baker": {"verified", "locked"},
            "kai.moana": {"verified", "lost: SMS_MFA"},
        },
        refused=[(5, "phone-only", NO_ADDRESS)],
    ),
    Sample(
        path=FOLDER / "django.json",
        format="django",
        users={
            "paul.keller": {"verified", "password", "totp"},
            "rita.gomes": {"password"},
            "sami.virta": {"locked", "password"},
            "tess.quinn": {"verified", "github:9919"},
        },
        refused=[(6, "5", NO_ADDRESS)],
        seeds={"paul.keller": b"12345678901234567890"},
    ),
    Sample(
        path=FOLDER / "django-custom.jsonl",
        format="django",
        users={"vera.lund": {"password"}, "wim.jansen": {"password"}},
    ),
    Sample(
        path=FOLDER / "fastapi-users.csv",
        format="fastapi-users",
        users={
            "ada.morrow": {"verified", "password"},
            "ben.okafor": {"password"},
            "cara.silva": {"verified", "locked", "password"},
        },
    ),
    Sample(
        path=FOLDER / "fastapi-users.json",
        format="fastapi-users",
        users={
            "ada.morrow": {"verified", "password", "google:104455667788990011223"},
            "ben.okafor": {"password"},
            "cara.silva": {"verified", "locked", "password"},
        },
    ),
    Sample(
        path=FOLDER / "firebase.json",
        format="firebase",
        users={
            "amir.saleh": {"verified", "password"},
            "bea.novak": {"verified", "google:110248495921238986420", "github:1024025"},
            "cleo.marsh": {"locked", "password"},
        },
        refused=[(4, "PhOnEoNlY0000000000000000001", NO_ADDRESS)],
    ),
    Sample(
        path=FOLDER / "keycloak-realm.json",
        format="keycloak",
        users={
            "lars.moen": {"verified", "password", "totp"},
            "mina.aziz": {"verified", "password", "passkey"},
            "nils.frei": {"verified", "password", "google:117766554433221100998", "corp-sso:nfrei"},
            "olga.petit": {"locked"},
        },
        refused=[(5, "service-account-shop", "not a person"), (6, "kiosk", NO_ADDRESS)],
        notes=["required actions"],
        seeds={"lars.moen": b"rTk3VnQ8wLz5XbYc2HsD"},
        passkeys={"mina.aziz": (4711, b"keycloak-sample-credential-0001!", "218fdc13-5dcf-419d-b398-8b5231c8b788")},
    ),
    Sample(
        path=FOLDER / "supabase.json",
        format="supabase",
        users={
            "kira.blum": {"verified", "password", "totp"},
            "leon.maro": {"verified", "github:7654321", "microsoft:00000000-0000-0000-66f3-3332eca7ea81"},
            "mara.voss": {"locked", "password"},
        },
        refused=[(4, "9241b7ed-0274-446b-8106-0d3587c56f61", NO_ADDRESS)],
        seeds={"kira.blum": b"TestSecretStringstri"},
    ),
    Sample(
        path=FOLDER / "supabase.csv",
        format="supabase",
        users={
            "kira.blum": {"verified", "password"},
            "leon.maro": {"verified", "github:7654321"},
            "mara.voss": {"locked", "password"},
        },
        refused=[(5, "9241b7ed-0274-446b-8106-0d3587c56f61", NO_ADDRESS)],
    ),
]


def sample(name: str) -> Sample:
    """The sample of this name."""
    return next(one for one in SAMPLES if one.path.name == name)
