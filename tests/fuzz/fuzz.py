"""Random and mutated input for every parser of data from outside.

    python -m tests.fuzz.fuzz 1000000 [seed]        # `make fuzz`

Text (session tokens, one-time tokens, ids, addresses, arguments of all kinds) gives a value, ``None`` or
ValidationError; stored items give a model, ``None`` or CorruptItem. Any other exception is a finding. A forged token is
never accepted.
"""

from __future__ import annotations

import hmac
import json
import random
import sys
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from torii_dynamodb._core import attempts, keys, oauth, passkeys, passwords, sessions, tokens, users
from torii_dynamodb._rules import secrets, validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.jwt import JwtKey, JwtSettings, JwtTokens
from torii_dynamodb.clock import system_random
from torii_dynamodb.errors import CorruptItem, InvalidToken, ValidationError
from torii_dynamodb.models import (
    LockoutPolicy,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
)
from torii_dynamodb.testing._conformance.base import retarget

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
STATE = "s" * 32
POLICY = LockoutPolicy()
SECRET = b"0123456789abcdef0123456789abcdef"

# The stored items, by their position in Source.items.
USER, ADDRESS, SESSION, TOKEN, VERIFIER, CHALLENGE, ACCOUNT, PASSKEY, AUDIT, REGISTER = range(10)

ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
    "0123456789abcdef",
    "torii_st1.@#:/+%\\\"'<>{}[]()=,;&?!$*~`^| ",
    "\x00\x01\t\n\r\x1f\x7f\x80\x85\xa0\u200b\u2028\u2029\ufeff\ufffd\uffff",
    "äöüßéñИванλ٣٤५१中文日本ﬁ㎏Ⅷ\u212aıİſ\u0301\u202e",
    "\ud800\udfff\U0001f600\U0001f468\U0010ffff",
)


class Source:
    """Random input, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        user = users.new_user_model(
            NewUser(email="ada@example.com", id="usr_ada", name="Ada"), None, NOW, system_random
        )
        self.user = replace(user, metadata={"a": [1, 2.5, {"$b": None}], "n": 10**50})
        session = sessions.bind(
            NewSession(user_id="usr_ada", expires_at=LATER), self.user.session_epoch, NOW, system_random
        )
        self.session_token = session.token
        asked = NewToken(purpose="magic_link", expires_at=LATER, user_id="usr_ada")
        token = tokens.issue(asked, self.user, NOW, system_random)
        self.one_time_token = token.token
        bearer = secrets.make_one_time_token(None, system_random)
        account = oauth.account_model(
            NewOAuthAccount(provider="google", subject="1#2", email="a@b.example", profile={"x": 1}), "usr_ada", NOW
        )
        passkey = passkeys.passkey_model(
            NewPasskey(user_id="usr_ada", credential_id=b"id", public_key=b"key", transports=("usb",), aaguid="x"), NOW
        )
        challenge = NewPasskeyChallenge(challenge=b"c" * 32, kind="registration", expires_at=LATER)
        attempt = attempts.new_attempt_id(NOW, system_random)
        self.attempt = attempt
        self.texts = (
            self.session_token, self.one_time_token, bearer, "ada@example.com", "Ada+x@Bücher.example", "usr_ada",
            attempt, session.id, "192.0.2.1", "2001:db8::1%eth0", "google", "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c3JfYWRhIn0.c2lnbmF0dXJl", "a@[127.0.0.1]", '"a b"@example.com',
            "a@xn--bcher-kva.example", "a@xn--a", "a@" + "x" * 64 + ".example", "x" * 65 + "@example.com",
        )  # fmt: skip
        self.items: tuple[dict[str, Any], ...] = (
            users.to_item(self.user),
            users.email_identity(self.user, None),
            sessions.to_item(session),
            tokens.bearer_item(token, self.user),
            tokens.pkce_item(STATE, "v" * 43, LATER, {"next": "/"}, NOW, system_random),
            tokens.challenge_item(challenge, NOW),
            oauth.to_item(account),
            passkeys.to_item(passkey),
            attempts.audit_item("login#x", attempt, NOW, "192.0.2.1", "curl", POLICY),
            {**keys.attempt_key("login#x"), "a1": {"S": attempt}, "a2": {"S": "0"}, "expires_at": {"N": "1"}},
        )

    def text(self) -> str:
        """Return some text: random, or a good one with changes."""
        dice = self.dice
        if dice.random() < 0.3:
            length = dice.choice((0, 1, 2, 8, 16, 43, 64, 65, 255, 256, 300))
            alphabet = dice.choice(ALPHABETS)
            return "".join(dice.choices(alphabet, k=length))
        found = dice.choice(self.texts)
        for _ in range(dice.randint(1, 3)):
            found = self.mutated(found)
        return found

    def mutated(self, text: str) -> str:
        """Return a text with one change."""
        dice = self.dice
        place = dice.randint(0, len(text))
        letter = dice.choice(dice.choice(ALPHABETS))
        match dice.randint(0, 8):
            case 0:
                return text[:place] + letter + text[place:]
            case 1:
                return text[:place] + text[place + 1 :]
            case 2:
                return text[:place] + letter + text[place + 1 :]
            case 3:
                return (
                    text[:place] + chr(ord(text[place]) ^ (1 << dice.randint(0, 6))) + text[place + 1 :]
                    if text[place:]
                    else text
                )
            case 4:
                return text[:place]
            case 5:
                return text + text[:place]
            case 6:
                return text.swapcase()
            case 7:
                return dice.choice((f" {text}", f"{text}\n", f"{text}\x00", text + "\u0301", text[::-1]))
            case _:
                return text[:place] + dice.choice(self.texts)[place:]

    def value(self) -> object:
        """Return anything that a caller may pass."""
        dice = self.dice
        if dice.random() < 0.9:
            return self.text()
        return dice.choice(
            (
                None,
                True,
                0,
                -1,
                2**70,
                1.5,
                float("nan"),
                b"",
                b"x" * 2000,
                [],
                (),
                {},
                object,
                NOW,
                NOW.replace(tzinfo=None),
            )
        )

    def attribute(self, depth: int = 0) -> dict[str, Any]:
        """Return an attribute as DynamoDB can store it."""
        dice = self.dice
        match dice.randint(0, 9 if depth < 3 else 6):
            case 0 | 1:
                return {"S": self.text()}
            case 2:
                return {"N": self.number()}
            case 3:
                return {"B": b64encode(dice.randbytes(dice.randint(0, 40))).decode()}
            case 4:
                return {"BOOL": dice.random() < 0.5}
            case 5:
                return {"NULL": True}
            case 6:
                kind = dice.choice(("SS", "NS", "BS"))
                return {kind: [self.number() if kind == "NS" else "eHh4" for _ in range(dice.randint(1, 3))]}
            case 7:
                return {"L": [self.attribute(depth + 1) for _ in range(dice.randint(0, 3))]}
            case 8:
                tag = dice.choice(("$float", "$int", "$decimal", "$map", "$", "$x"))
                return {"M": {tag: self.attribute(depth + 1)}}
            case _:
                return {"M": {self.text(): self.attribute(depth + 1) for _ in range(dice.randint(0, 3))}}

    def number(self) -> str:
        """Return a number as DynamoDB writes it."""
        choices = (
            "0",
            "-1",
            "1",
            "1.5",
            "1E+100",
            "9" * 38,
            "-9.9E+125",
            "1E-130",
            str(2**63),
            "253402300800",
            "1767225600",
        )
        return self.dice.choice(choices)

    def item(self, kind: int) -> dict[str, Any]:
        """Return a stored item with attributes missing, added or of other types; mostly of one kind."""
        dice = self.dice
        found = dict(self.items[kind] if dice.random() < 0.8 else dice.choice(self.items))
        for _ in range(dice.choice((0, 1, 1, 1, 2, 4))):
            name = dice.choice([*found, *dice.choice(self.items), "extra", "token_serial_*", "epoch_write_1", "a5"])
            if dice.random() < 0.3:
                found.pop(name, None)
            else:
                found[name] = self.attribute()
        return found


@dataclass
class Tally:
    """The outcome of a run."""

    cases: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rows = [f"  {name:34} {count:9,} of which accepted {self.taken[name]:9,}" for name, count in self.cases.items()]
        return "\n".join([f"{self.cases.total():,} cases, {len(self.findings)} findings", *rows])


def text_targets(source: Source) -> dict[str, Callable[[], object]]:
    """Parsers of text."""

    def token(parse: Callable[[object], object], good: str) -> object:
        value = source.value()
        parsed = parse(value)
        # Issued tokens are accepted, and those made by anyone who knows the format: the checksum proves nothing.
        assert parsed is None or value == good or value in source.texts or is_well_formed(value), "forged, but accepted"
        return parsed

    def email() -> object:
        found = normalise_email(source.value())
        assert normalise_email(found.normalised).normalised == found.normalised, "normalising again changes it"
        assert found.normalised.isascii()
        return found

    def retargeted() -> object:
        value = source.text()
        return secrets.parse_session_token(retarget(source.session_token, "usr_bob") if "@" in value else value)

    text, value = source.text, source.value
    return {
        "session token": lambda: token(secrets.parse_session_token, source.session_token),
        "one-time token": lambda: token(secrets.parse_one_time_token, source.one_time_token),
        "retargeted token": retargeted,
        "e-mail address": email,
        "user id": lambda: validation.user_id(value()),
        "session id": lambda: validation.session_id(value()),
        "provider": lambda: validation.provider(value()),
        "subject": lambda: validation.subject(value()),
        "purpose": lambda: validation.purpose(value()),
        "text": lambda: validation.text(value(), "name", most=256).encode(),
        "IP address": lambda: validation.ip_address(value()),
        "user agent": lambda: str(validation.user_agent(value())).encode(),
        "password hash": lambda: validation.password_hash(value()),
        "secret text": lambda: validation.secret_text(value(), "state", least=16, most=512),
        "attempt id": lambda: attempts.attempt_id(value()),
        "attempt subject": lambda: attempts.subject(
            source.dice.choice(("login", "ip", "mail", "device", "x")), value()
        ),
        "moment": lambda: validation.moment(value(), "expires_at"),
        "metadata": lambda: validation.metadata({text(): [value()], "x": {text(): value()}}),
        "new user": lambda: users.new_user_model(
            NewUser(email=text(), id=text(), name=text(), metadata={text(): text()}), None, NOW, system_random
        ),
        "challenge kind": lambda: tokens.kind(value()),
    }


def is_well_formed(value: object) -> bool:
    """Return whether a text is a token by its checksum, as one cut from a longer one may be."""
    return isinstance(value, str) and retarget(value, value[9:].partition(".")[0]) == value


def item_targets(source: Source) -> dict[str, Callable[[], object]]:
    """Readers of stored items."""
    parsed = secrets.parse_session_token(source.session_token)
    assert parsed is not None
    item, user = source.item, source.user

    def judged() -> object:
        stored = source.items
        rows: tuple[Any, Any] = source.dice.choice(
            ((item(SESSION), stored[USER]), (stored[SESSION], item(USER)), (item(SESSION), item(USER)))
        )
        return sessions.judge(parsed, source.session_token, *rows, NOW)

    return {
        "users.read": lambda: users.read(item(USER)),
        "sessions.read": lambda: sessions.read(item(SESSION)),
        "sessions.judge": judged,
        "sessions.stale": lambda: sessions.stale([{**item(SESSION), "id": {"S": "x"}}], user),
        "passwords.read_credentials": lambda: passwords.read_credentials(item(ADDRESS)),
        "oauth.read": lambda: oauth.read(item(ACCOUNT)),
        "passkeys.read": lambda: passkeys.read(item(PASSKEY)),
        "tokens.read": lambda: tokens.read(item(TOKEN)),
        "tokens.is_unused": lambda: tokens.is_unused(item(TOKEN), NOW),
        "tokens.verified": lambda: tokens.verified(item(TOKEN), source.dice.choice(("usr_ada", "")), user),
        "tokens.read_challenge": lambda: tokens.read_challenge(item(CHALLENGE)),
        "tokens.read_pkce": lambda: tokens.read_pkce(item(VERIFIER), STATE),
        "attempts.read_audit": lambda: attempts.read_audit(item(AUDIT)),
        "attempts.is_kept": lambda: attempts.is_kept(item(AUDIT), NOW),
        "attempts.status": lambda: attempts.status(item(REGISTER), POLICY, NOW),
        "attempts.refusal": lambda: attempts.refusal(item(REGISTER), POLICY, NOW),
        "attempts.holds": lambda: attempts.holds(item(REGISTER), source.attempt, POLICY),
        "attempts.keep": lambda: attempts.keep(item(AUDIT), NOW),
        "attempts.release": lambda: attempts.release(item(AUDIT)),
    }


class Jwts:
    """Access tokens: mutated ones, and signed ones with claims that ours never have."""

    def __init__(self, source: Source) -> None:
        self.source = source
        settings = JwtSettings(
            issuer="https://example.com",
            audience="api",
            keys=[JwtKey(kid="k", algorithm="HS256", private_key=SECRET)],
        )
        self.tokens = JwtTokens(settings)
        session = replace(sessions.read(source.items[SESSION]), token=source.session_token)
        self.good = self.tokens.issue(source.user, session, now=NOW, token_id="jti").token
        self.claims: dict[str, Any] = json.loads(_unpadded(self.good.split(".")[1]))

    def token(self) -> str:
        """Return a token, usually with something wrong."""
        source, dice = self.source, self.source.dice
        if dice.random() < 0.4:
            return source.mutated(self.good)
        if dice.random() < 0.05:
            return ".".join((_packed(b"[" * dice.choice((10, 2000, 6000))), _packed(b"{}"), ""))
        header: dict[str, Any] = {"alg": "HS256", "kid": "k", "typ": "at+jwt"}
        claims = dict(self.claims)
        for _ in range(dice.choice((0, 1, 1, 2))):
            part = dice.choice((header, claims, claims, claims))
            name = dice.choice([*part, "crit", "b64", "extra"])
            if dice.random() < 0.3:
                part.pop(name, None)
            else:
                part[name] = dice.choice(
                    (
                        None,
                        True,
                        0,
                        -1,
                        1e300,
                        -1e300,
                        10**30,
                        float("nan"),
                        [],
                        ["k"],
                        {},
                        "none",
                        "RS256",
                        source.text(),
                    )
                )
        signed = b".".join(_packed(json.dumps(part).encode()).encode() for part in (header, claims))
        return f"{signed.decode()}.{_packed(hmac.digest(SECRET, signed, 'sha256'))}"

    def __call__(self) -> object:
        """Check one case."""
        return self.tokens.verify(self.token(), now=NOW)


def _packed(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def fuzz(cases: int, seed: int = 0) -> Tally:
    """Run that many cases, spread over all targets."""
    source = Source(seed)
    tally = Tally()
    targets: list[tuple[str, Callable[[], object], type[Exception]]] = [
        *((name, call, ValidationError) for name, call in text_targets(source).items()),
        *((name, call, CorruptItem) for name, call in item_targets(source).items()),
        ("access token (JWT)", Jwts(source), InvalidToken),
    ]
    for number in range(cases):
        name, call, expected = targets[number % len(targets)]
        tally.cases[name] += 1
        try:
            tally.taken[name] += call() is not None
        except expected:
            pass
        except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
            tally.findings.append(f"{name}, case {number}, seed {seed}: {error!r}")
    return tally


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started = time.monotonic()
    result = fuzz(count, chosen)
    print(result)  # noqa: T201
    print(f"{time.monotonic() - started:.0f} s, seed {chosen}")  # noqa: T201
    for finding, times in Counter(line.partition(": ")[2] for line in result.findings).most_common(20):
        print(f"{times} x {finding}")  # noqa: T201
    print("\n".join(result.findings[:10]))  # noqa: T201
    sys.exit(bool(result.findings))
