# Generated from tests/services/_async/test_passkeys.py by tools/unasync.py. Do not edit.

"""Passkeys, with a software authenticator."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import cbor2
import pytest
from tests.services._sync.support import EMAIL, FIREFOX, PASSWORD, Setting, as_signed_in, just_before, refuses
from tests.services.authenticator import ORIGIN, RP_ID, Authenticator, b64, raw

from torii_dynamodb import Browser, SignedIn, User
from torii_dynamodb.errors import AccountLocked, ClonedAuthenticator, ConfigurationError, LastSignInMethod, Revoked
from torii_dynamodb.events import UserSignedIn
from torii_dynamodb.legacy import ImportedUser
from torii_dynamodb.models import NewUser
from torii_dynamodb.passkeys import PasskeyError, PasskeySettings


def settings(**options: Any) -> PasskeySettings:
    """Settings for the software authenticator's site."""
    defaults: dict[str, Any] = {"rp_id": RP_ID, "rp_name": "Example", "origins": [ORIGIN]}
    return PasskeySettings(**(defaults | options))


class PasskeySetting(Setting):
    """Services with passkeys, and one authenticator."""

    def __init__(self, **options: Any) -> None:
        super().__init__(passkeys=options.pop("passkeys", settings()), **options)
        self.passkeys = self.torii.passkeys
        self.device = Authenticator()

    def added(self) -> User:
        """Register a user and add the authenticator's passkey."""
        user = self.torii.password.register(EMAIL, PASSWORD)
        options = self.passkeys.begin_registration(user)
        self.passkeys.complete_registration(user, self.device.create(options), name="Laptop")
        return user

    def sign_in(self, device: Authenticator | None = None) -> SignedIn:
        """Sign in with a passkey, from start to finish."""
        options = self.passkeys.begin_sign_in()
        return as_signed_in(self.passkeys.complete_sign_in((device or self.device).get(options)))


def test_add_and_sign_in() -> None:
    """A passkey signs its user in without an email address, any number of times."""
    here = PasskeySetting()
    user = here.added()
    for _ in range(2):
        options = here.passkeys.begin_sign_in()
        assert not options.get("allowCredentials")
        assert options["userVerification"] == "required"
        found, session = as_signed_in(
            here.passkeys.complete_sign_in(here.device.get(options), browser=Browser(user_agent=FIREFOX))
        )
        assert found.id == user.id
        assert session.token
        assert here.torii.get_signed_in(session.token) is not None
    (passkey,) = here.passkeys.list_for_user(user.id)
    assert (passkey.name, passkey.backed_up, passkey.transports) == ("Laptop", True, ("internal",))
    assert passkey.last_used_at == here.clock()
    assert here.names() == ["user.created", "passkey.added", "user.signed_in", "user.signed_in"]
    told = here.events[-1]
    assert isinstance(told, UserSignedIn)
    assert told.method == "passkey"


def test_no_registration_outlives_a_sign_out_everywhere() -> None:
    """A registration begun before a sign-out everywhere adds no passkey, even after signing in again."""
    here = PasskeySetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    options = here.passkeys.begin_registration(user)
    here.torii.delete_sessions_for_user(user.id)
    anew, _ = as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD))
    for who in (user, anew):
        with pytest.raises((Revoked, PasskeyError)):
            here.passkeys.complete_registration(who, here.device.create(options))
    assert here.passkeys.list_for_user(user.id) == []


def test_no_reauthentication_outlives_a_sign_out_everywhere() -> None:
    """A re-authentication begun before a sign-out everywhere signs nobody in."""
    here = PasskeySetting()
    user = here.added()
    options = here.passkeys.begin_sign_in(user=user)
    here.torii.delete_sessions_for_user(user.id)
    with refuses(PasskeyError, "challenge"):
        here.passkeys.complete_sign_in(here.device.get(options))
    assert here.torii.list_sessions(user.id) == []


def test_a_passkey_removed_while_it_signs_in_gets_no_session() -> None:
    """A passkey that a first proof of the address removes in the middle of its sign-in signs nobody in.

    The removal comes after the passkey was accepted and before the user is read, to whose new epoch the session would
    be bound.
    """
    here = PasskeySetting()
    user = here.added()
    options = here.passkeys.begin_sign_in()
    prove = partial(here.storage.mark_email_verified, user.id, email=user.email, remove_unproven=True)
    with just_before(here.storage, "get_user", prove), refuses(PasskeyError, "unknown"):
        here.passkeys.complete_sign_in(here.device.get(options))
    assert here.torii.list_sessions(user.id) == []


def test_options_exclude_what_the_user_has() -> None:
    """A second registration excludes the first passkey, asks for a discoverable one and uses the user id as handle."""
    here = PasskeySetting()
    user = here.added()
    options = here.passkeys.begin_registration(user)
    assert [entry["id"] for entry in options["excludeCredentials"]] == [b64(here.device.credential_id)]
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert raw(options["user"]["id"]).decode() == user.id
    second = Authenticator()
    here.passkeys.complete_registration(user, second.create(options), name="Phone")
    assert len(here.passkeys.list_for_user(user.id)) == 2


def _altered(field: str, value: Any) -> Any:
    def alter(device: Authenticator) -> None:
        setattr(device, field, value)

    return alter


HOSTILE = [
    ("another origin", _altered("origin", "https://evil.example")),
    ("a look-alike origin", _altered("origin", "https://app.example.com.evil.example")),
    ("plain http", _altered("origin", "http://app.example.com")),
    ("another relying party", _altered("rp_id", "evil.example")),
    ("no user verification", _altered("verified", False)),
    ("embedded by another site", _altered("client_data", {"crossOrigin": True})),
    ("the other ceremony", _altered("client_data", {"type": "webauthn.other"})),
]


@pytest.mark.parametrize("alter", [alter for _, alter in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_invalid_responses_are_refused(alter: Any) -> None:
    """Invalid responses are refused in both ceremonies, and use up the challenge."""
    here = PasskeySetting()
    user = here.added()
    alter(here.device)
    for_sign_in = here.passkeys.begin_sign_in()
    answer = here.device.get(for_sign_in)
    with refuses(PasskeyError, "refused"):
        here.passkeys.complete_sign_in(answer)
    with refuses(PasskeyError, "challenge"):
        here.passkeys.complete_sign_in(answer)
    assert here.names()[-1] == "user.sign_in_failed"
    other = Authenticator()
    alter(other)
    options = here.passkeys.begin_registration(user)
    with refuses(PasskeyError, "refused"):
        here.passkeys.complete_registration(user, other.create(options))
    assert len(here.passkeys.list_for_user(user.id)) == 1


def test_a_challenge_is_for_one_ceremony_one_user_and_five_minutes() -> None:
    """A challenge is refused in the other ceremony, for another user, when used, expired or never issued."""
    here = PasskeySetting()
    user = here.added()
    eve = here.torii.password.register("eve@example.com", PASSWORD)
    for_registration = here.passkeys.begin_registration(user)
    for_sign_in = here.passkeys.begin_sign_in()
    other = Authenticator()

    def refused(call: Any) -> None:
        with refuses(PasskeyError, "challenge"):
            call()

    refused(lambda: here.passkeys.complete_sign_in(here.device.get(for_registration)))
    options = {**for_registration, "challenge": for_sign_in["challenge"]}
    refused(lambda: here.passkeys.complete_registration(user, other.create(options)))
    refused(lambda: here.passkeys.complete_registration(eve, other.create(for_registration)))
    refused(lambda: here.passkeys.complete_sign_in(here.device.get({"challenge": b64(b"x" * 32)})))
    late = here.passkeys.begin_sign_in()
    here.clock.advance(timedelta(minutes=5))
    refused(lambda: here.passkeys.complete_sign_in(here.device.get(late)))


def test_an_imported_passkey_signs_in_under_the_id_of_the_other_system() -> None:
    """An imported passkey signs its user in, whatever its authenticator calls the user, but not without a name."""
    here = PasskeySetting()
    user = here.added()
    (held,) = here.passkeys.list_for_user(user.id)
    here.torii.delete_user(user.id)
    moved, _ = here.storage.import_user(
        ImportedUser(
            user=NewUser(id="usr_moved", email=EMAIL),
            created_at=here.clock(),
            passkeys=(replace(held, user_id="usr_moved", imported=True),),
        )
    )
    for handle in (here.device.user_handle, b64(b"\xff\xfe")):
        here.device.user_handle = handle
        assert (here.sign_in()).user.id == moved.id
    here.device.user_handle = None
    with refuses(PasskeyError, "refused"):
        here.sign_in()


def test_an_unknown_or_forged_passkey_is_refused() -> None:
    """An unknown passkey, a wrong signature, and another user's or no handle are refused."""
    here = PasskeySetting()
    here.added()
    eve = here.torii.password.register("eve@example.com", PASSWORD)
    stranger = Authenticator()
    with refuses(PasskeyError, "unknown"):
        here.sign_in(stranger)
    stranger.credential_id, stranger.user_handle = here.device.credential_id, here.device.user_handle
    with refuses(PasskeyError, "refused"):
        here.sign_in(stranger)
    handle = here.device.user_handle
    for wrong in (b64(eve.id.encode()), None):
        here.device.user_handle = wrong
        with pytest.raises(PasskeyError):
            here.sign_in()
    here.device.user_handle = handle
    here.sign_in()


def test_reauthenticating_a_user() -> None:
    """To re-authenticate a user, only their own passkeys are offered and accepted."""
    here = PasskeySetting()
    user = here.added()
    eve = here.torii.password.register("eve@example.com", PASSWORD)
    options = here.passkeys.begin_sign_in(user=user)
    assert [entry["id"] for entry in options["allowCredentials"]] == [b64(here.device.credential_id)]
    here.passkeys.complete_sign_in(here.device.get(options))
    for_eve = here.passkeys.begin_sign_in(user=eve)
    with refuses(PasskeyError, "unknown"):
        here.passkeys.complete_sign_in(here.device.get(for_eve))


def test_a_cloned_authenticator() -> None:
    """A counter that does not increase is refused, unless the settings accept it."""
    here = PasskeySetting()
    here.device.count = 5
    user = here.added()
    here.sign_in()
    here.device.count = 3
    with pytest.raises(ClonedAuthenticator) as refused:
        here.sign_in()
    assert (refused.value.stored, refused.value.received) == (6, 4)
    lenient = PasskeySetting(storage=here.storage, clock=here.clock, passkeys=settings(cloned="accept"))
    found, _ = lenient.sign_in(here.device)
    assert found.id == user.id


IGNORED: list[dict[str, Any]] = [
    {"authenticatorAttachment": "hologram"},
    {"authenticatorAttachment": None},
    {"authenticatorAttachment": 7},
    {"clientExtensionResults": {"credProps": {"rk": True}, "prf": {"enabled": True}, "unheardOf": [1, {"a": None}]}},
    {"clientExtensionResults": None},
    {"aMemberOfTomorrow": {"a": [1, 2]}, "toJSON": "x"},
]


@pytest.mark.parametrize("members", IGNORED, ids=str)
def test_unknown_members_are_ignored(members: dict[str, Any]) -> None:
    """Unknown members, unknown values and results of extensions are ignored in both ceremonies."""
    here = PasskeySetting()
    here.device.members = members
    here.device.client_data = {"aMemberOfTomorrow": "x", "tokenBinding": {"status": "supported"}}
    user = here.added()
    found, _ = here.sign_in()
    assert found.id == user.id


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (["usb", "hybrid", "usb", "smart-card", "cable"], ("cable", "hybrid", "smart-card", "usb")),
        (["telepathy", "internal"], ("internal", "telepathy")),
        ([], ()),
        (None, ()),
        ("usb", ()),
        ([7, None, "", "x" * 33, "a b", "\x00", "nfc"], ("nfc",)),
        ([f"t{number:02}" for number in range(40)], tuple(f"t{number:02}" for number in range(16))),
    ],
)
def test_transports_are_stored_as_reported(sent: Any, kept: tuple[str, ...]) -> None:
    """Transports, even unknown ones as the standard requires, are stored and sent back; invalid names are dropped."""
    here = PasskeySetting()
    here.device.transports = sent
    user = here.added()
    (passkey,) = here.passkeys.list_for_user(user.id)
    assert passkey.transports == kept
    for options, name in (
        (here.passkeys.begin_sign_in(user=user), "allowCredentials"),
        (here.passkeys.begin_registration(user), "excludeCredentials"),
    ):
        (descriptor,) = options[name]
        assert (descriptor["type"], descriptor["id"]) == ("public-key", b64(here.device.credential_id))
        assert tuple(descriptor.get("transports", ())) == kept


@pytest.mark.parametrize(
    "attestation",
    [
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x", "x5c": [b"expired"]}},
        {"fmt": "compound", "attStmt": [{"fmt": "none", "attStmt": {}}]},
        {"fmt": "android-safetynet", "attStmt": {"ver": "1", "response": b"x"}},
        {"fmt": "of tomorrow", "attStmt": {}},
        {"fmt": "none", "attStmt": {}, "epAtt": True},
    ],
    ids=lambda attestation: str(attestation["fmt"]),
)
def test_an_unrequested_attestation_is_ignored(attestation: dict[str, Any]) -> None:
    """An unrequested attestation, as some browsers and keys send, changes nothing; authenticator data still counts."""
    here = PasskeySetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    for rp_id, passes in (("evil.example", False), (RP_ID, True)):
        here.device.rp_id = rp_id
        answer = here.device.create(here.passkeys.begin_registration(user))
        said = cbor2.loads(raw(answer["response"]["attestationObject"]))
        answer["response"]["attestationObject"] = b64(cbor2.dumps(said | attestation))
        if passes:
            here.passkeys.complete_registration(user, answer)
        else:
            with pytest.raises(PasskeyError):
                here.passkeys.complete_registration(user, answer)
    found, _ = here.sign_in()
    assert found.id == user.id


def test_ids_as_password_managers_write_them() -> None:
    """A padded id, or no rawId, is accepted; an id that differs from rawId is refused."""
    here = PasskeySetting()
    padded = b64(here.device.credential_id) + "="
    here.device.members = {"id": padded, "rawId": padded}
    user = here.added()
    answer = here.device.get(here.passkeys.begin_sign_in())
    del answer["rawId"]
    found, _ = as_signed_in(here.passkeys.complete_sign_in(answer))
    assert found.id == user.id
    here.device.members = {"rawId": b64(b"another")}
    with pytest.raises(PasskeyError):
        here.sign_in()


def test_the_backup_state_follows_the_authenticator() -> None:
    """The backup state is updated at each sign-in; the eligibility stays as registered."""
    here = PasskeySetting()
    here.device.backed_up = False
    user = here.added()
    for state in (False, True, False):
        here.device.backed_up = state
        here.sign_in()
        (passkey,) = here.passkeys.list_for_user(user.id)
        assert (passkey.backup_eligible, passkey.backed_up) == (True, state)


@pytest.mark.parametrize("cloned", ["refuse", "accept"])
@pytest.mark.parametrize("eligible", [True, False])
def test_eligibility_for_backup_is_permanent(eligible: bool, cloned: Any) -> None:
    """Eligibility that changes means a cloned key and is refused, whatever the settings say about counters."""
    here = PasskeySetting(passkeys=settings(cloned=cloned))
    here.device.eligible = here.device.backed_up = eligible
    user = here.added()
    before = here.passkeys.list_for_user(user.id)
    here.device.eligible = not eligible
    here.device.backed_up = False
    with pytest.raises(ClonedAuthenticator, match="backup"):
        here.sign_in()
    assert here.names()[-1] == "user.sign_in_failed"
    assert here.passkeys.list_for_user(user.id) == before
    assert here.torii.list_sessions(user.id) == []


def test_backed_up_without_being_eligible_is_refused() -> None:
    """Backed up but not eligible, which the standard forbids (6.1.3), is refused in both ceremonies."""
    here = PasskeySetting()
    user = here.added()
    for device in (here.device, Authenticator()):
        device.eligible = False
    with pytest.raises(PasskeyError):
        here.sign_in()
    nonsense = Authenticator()
    nonsense.eligible = False
    with pytest.raises(PasskeyError):
        here.passkeys.complete_registration(user, nonsense.create(here.passkeys.begin_registration(user)))


RELATED = "https://example.co.uk"


def test_related_origins() -> None:
    """Only origins that are listed as related can run the two ceremonies for the same passkeys."""
    here = PasskeySetting(passkeys=settings(related_origins=[RELATED, "https://example.de:8443"]))
    assert here.passkeys.related_origins() == {"origins": [RELATED, "https://example.de:8443"]}
    user = here.added()
    for origin, taken in (
        (RELATED, True),
        ("https://example.de:8443", True),
        ("https://example.de", False),
        ("http://example.co.uk", False),
        ("https://evil.example.co.uk", False),
        ("https://example.co.uk.evil.example", False),
    ):
        here.device.origin = origin
        device = Authenticator()
        device.origin = origin
        registered = device.create(here.passkeys.begin_registration(user))
        answer = here.device.get(here.passkeys.begin_sign_in())
        if taken:
            here.passkeys.complete_registration(user, registered)
            found, _ = as_signed_in(here.passkeys.complete_sign_in(answer))
            assert found.id == user.id
        else:
            with pytest.raises(PasskeyError):
                here.passkeys.complete_registration(user, registered)
            with pytest.raises(PasskeyError):
                here.passkeys.complete_sign_in(answer)


def test_removal_is_guarded() -> None:
    """The last way to sign in cannot be removed; a removed passkey signs nobody in."""
    here = PasskeySetting()
    user = here.added()
    identity = here.device.credential_id
    renamed = here.passkeys.rename(user.id, identity, "Old laptop")
    assert renamed is not None
    assert renamed.name == "Old laptop"
    here.torii.password.remove_password(user.id)
    with pytest.raises(LastSignInMethod):
        here.passkeys.remove(user.id, identity)
    here.torii.password.set_password(user.id, PASSWORD)
    assert here.passkeys.remove(user.id, identity)
    assert not here.passkeys.remove(user.id, identity)
    with pytest.raises(PasskeyError):
        here.sign_in()
    assert here.names().count("passkey.removed") == 1


def test_a_locked_account_is_refused() -> None:
    """An administrator's lock applies to passkeys; a lockout after wrong passwords does not."""
    here = PasskeySetting()
    user = here.added()
    for _ in range(6):
        with pytest.raises((AccountLocked, Exception)):
            here.torii.password.authenticate(EMAIL, "wrong password")
    here.sign_in()
    locked = here.torii.lock_user(user.id)
    assert locked is not None
    with pytest.raises(AccountLocked):
        here.sign_in()
    with pytest.raises(AccountLocked):
        here.passkeys.begin_registration(locked)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"response": None},
        {"response": {"clientDataJSON": 1}},
        {"response": {"clientDataJSON": "!!"}},
        {"response": {"clientDataJSON": b64(b"[]")}},
        {"response": {"clientDataJSON": b64(b'{"challenge": "AA"}')}},
        {"id": 1, "response": {"clientDataJSON": b64(b'{"challenge": "' + b"A" * 43 + b'"}')}},
    ],
)
def test_a_malformed_response_is_refused(answer: Any) -> None:
    """A malformed response is refused as malformed."""
    here = PasskeySetting()
    with refuses(PasskeyError, "malformed"):
        here.passkeys.complete_sign_in(answer)


def test_truncated_responses_are_refused() -> None:
    """A response with truncated parts is refused with PasskeyError."""
    here = PasskeySetting()
    here.added()
    for part in ("authenticatorData", "signature"):
        answer = here.device.get(here.passkeys.begin_sign_in())
        answer["response"][part] = answer["response"][part][:10]
        with pytest.raises(PasskeyError):
            here.passkeys.complete_sign_in(answer)


@pytest.mark.parametrize(
    "options",
    [
        {"origins": []},
        {"origins": "https://app.example.com"},
        {"origins": ["https://app.example.com/"]},
        {"origins": ["http://app.example.com"]},
        {"origins": ["https://example.org"]},
        {"origins": ["https://notexample.com"]},
        {"origins": ["https://APP.example.com"]},
        {"origins": ["https://app.example.com:443"]},
        {"origins": ["https://"]},
        {"rp_id": "https://example.com"},
        {"related_origins": "https://example.co.uk"},
        {"related_origins": ["http://example.co.uk"]},
        {"related_origins": ["https://example.co.uk/"]},
        {"related_origins": ["https://other.example.com"]},
        {"timeout": timedelta(seconds=1)},
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any]) -> None:
    """Origins must be https and on the relying party's domain."""
    with pytest.raises(ConfigurationError):
        settings(**options)


def test_the_owner_is_told_of_passkeys_that_come_and_go() -> None:
    """The owner gets a mail when a passkey is added, with its name, and when one is removed, whoever removes it."""
    here = PasskeySetting()
    user = here.added()
    (passkey,) = here.passkeys.list_for_user(user.id)
    here.passkeys.remove(user.id, passkey.credential_id, user=user)
    assert not here.passkeys.remove(user.id, passkey.credential_id)
    other = Authenticator()
    here.passkeys.complete_registration(user, other.create(here.passkeys.begin_registration(user)))
    (passkey,) = here.passkeys.list_for_user(user.id)
    here.passkeys.remove(user.id, passkey.credential_id)
    assert here.templates() == ["passkey_added", "passkey_removed"] * 2
    assert {message.to for message in here.mailer.messages} == {"Ada@example.com"}
    assert '"Laptop"' in here.mailer.messages[0].text
