"""Passkeys without I/O: the options for the browser, and checks of its response (WebAuthn Level 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import orjson

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb._rules.extras import needed
from torii_dynamodb.errors import ConfigurationError, ToriiError
from torii_dynamodb.models import NewPasskey, Passkey, User

__all__ = ["PasskeyError", "PasskeyFailure", "PasskeySettings"]

PasskeyFailure = Literal["malformed", "challenge", "refused", "unknown"]

_TRANSPORT = re.compile(r"[!-~]{1,32}")
_MOST_TRANSPORTS = 16


class PasskeyError(ToriiError):
    """A passkey ceremony failed. Start again.

    Attributes:
        reason: ``"malformed"``: the browser's response is not a WebAuthn response. ``"challenge"``: its challenge was
            not issued here, for this ceremony and this user, or was used, or has expired. ``"refused"``: it is not
            valid: another origin or relying party, no user verification, a wrong signature. ``"unknown"``: no user has
            this passkey (any more).
    """

    code = "passkey_error"

    def __init__(self, reason: PasskeyFailure, message: str) -> None:
        super().__init__(message)
        self.reason: PasskeyFailure = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeySettings:
    """Where passkeys work, and what is required of them.

    Args:
        rp_id: The relying party: the site's domain, or one above it. Passkeys are bound to it permanently.
        rp_name: Its display name.
        origins: The origins that ceremonies may come from, for example ``("https://app.example.com",)``: the relying
            party's domain, or below it.
        related_origins: Origins on other domains that use the same passkeys, for example ``("https://example.co.uk",)``
            (WebAuthn Level 3, 5.11). Browsers ask ``https://<rp_id>/.well-known/webauthn`` for them, which the router
            serves; they accept at least five different names before the public suffix, and may ignore more.
        user_verification: ``"required"`` (the default): fingerprint, face or PIN each time, which is what makes a
            passkey two factors. ``"preferred"`` also accepts authenticators that cannot do that.
        cloned: What happens when the sign count did not go up: ``"refuse"`` the sign-in, or ``"accept"`` it.
        timeout: How long a ceremony may take.
    """

    rp_id: str
    rp_name: str
    origins: Sequence[str]
    related_origins: Sequence[str] = ()
    user_verification: Literal["required", "preferred"] = "required"
    cloned: Literal["refuse", "accept"] = "refuse"
    timeout: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        check_fields(self)
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", self.rp_id):
            raise ConfigurationError(f"rp_id: {self.rp_id!r}: give a domain in lower case, without https:// and port")
        if not self.origins:
            raise ConfigurationError("origins: give a list of at least one origin")
        for origin in self.origins:
            self._check(origin)
        for origin in self.related_origins:
            self._check_related(origin)
        if not timedelta(seconds=30) <= self.timeout <= timedelta(hours=1):
            raise ConfigurationError("timeout: give 30 seconds to one hour")

    @property
    def every_origin(self) -> list[str]:
        """All origins that ceremonies may come from."""
        return [*self.origins, *self.related_origins]

    def _check(self, origin: str) -> None:
        if origin.startswith(("android:", "ios:")):
            return
        if not self._covers(_host_of("origins", origin)):
            raise ConfigurationError(
                f"origins: {origin!r} is not on {self.rp_id!r}, the rp_id, nor below it; "
                "name an origin on another domain in related_origins"
            )

    def _check_related(self, origin: str) -> None:
        if self._covers(_host_of("related_origins", origin)):
            raise ConfigurationError(
                f"related_origins: {origin!r} is on {self.rp_id!r}, the rp_id: it belongs in origins"
            )

    def _covers(self, host: str) -> bool:
        return host == self.rp_id or host.endswith(f".{self.rp_id}")


def _host_of(option: str, origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {origin!r} is not an origin: {error}") from error
    host = parts.hostname or ""
    # Browsers consider localhost and names below it secure (Secure Contexts, 3.1), but accept no IP address as RP id.
    secure = parts.scheme == "https" or (parts.scheme == "http" and f".{host}".endswith(".localhost"))
    # In the form that browsers send, in lower case and without the default port, because it is compared exactly.
    if (
        not host
        or not secure
        or origin != origin.lower()
        or origin.endswith((":443", "/"))
        or parts.path
        or parts.query
    ):
        raise ConfigurationError(
            f"{option}: {origin!r} is not an origin: give https:// and host in lower case, without a trailing slash "
            "(http:// on localhost only)"
        )
    return host


@dataclass(frozen=True, slots=True)
class Use:
    """What the authenticator reports with a valid sign-in.

    Args:
        sign_count: Its counter.
        backup_eligible: Whether the passkey can be synchronised.
        backed_up: Whether it currently is.
        user_verified: Whether the authenticator asked the person for a PIN or a biometric.
    """

    sign_count: int
    backup_eligible: bool
    backed_up: bool
    user_verified: bool


@dataclass(frozen=True, slots=True)
class SignIn:
    """The parts of a sign-in response that are read before it is verified.

    Args:
        credential_id: The passkey.
        challenge: The challenge that it responds to.
        user_handle: The user according to the authenticator; ``None`` if it does not say.
    """

    credential_id: bytes
    challenge: bytes
    user_handle: str | None


def registration_options(
    settings: PasskeySettings, user: User, held: Sequence[Passkey], challenge: bytes
) -> dict[str, Any]:
    """Return the options for ``navigator.credentials.create`` (as ``parseCreationOptionsFromJSON`` reads them)."""
    webauthn, structs = needed("webauthn", "passkeys"), needed("webauthn.helpers.structs", "passkeys")
    options = webauthn.generate_registration_options(
        rp_id=settings.rp_id,
        rp_name=settings.rp_name,
        # The user handle reveals nothing about the person (WebAuthn, 14.6.1): ids are random.
        user_id=user.id.encode(),
        user_name=user.email_as_given,
        user_display_name=user.name or user.email_as_given,
        challenge=challenge,
        timeout=settings.timeout // timedelta(milliseconds=1),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=structs.UserVerificationRequirement(settings.user_verification),
        ),
    )
    return {**_plain(webauthn, options), "excludeCredentials": _descriptors(held)}


def sign_in_options(settings: PasskeySettings, held: Sequence[Passkey], challenge: bytes) -> dict[str, Any]:
    """Return the options for ``navigator.credentials.get``."""
    webauthn, structs = needed("webauthn", "passkeys"), needed("webauthn.helpers.structs", "passkeys")
    options = webauthn.generate_authentication_options(
        rp_id=settings.rp_id,
        challenge=challenge,
        timeout=settings.timeout // timedelta(milliseconds=1),
        user_verification=structs.UserVerificationRequirement(settings.user_verification),
    )
    return {**_plain(webauthn, options), "allowCredentials": _descriptors(held)}


def read_challenge(answer: object) -> bytes:
    """Return the challenge that a response names. This proves nothing: it is looked up, and then verified.

    Raises:
        PasskeyError: It is not a WebAuthn response.
    """
    try:
        client_data = orjson.loads(_decoded(_response(answer).get("clientDataJSON")))
        challenge = _decoded(cast("dict[str, Any]", client_data).get("challenge"))
    except (ValueError, TypeError, AttributeError) as error:
        raise _malformed() from error
    if not 16 <= len(challenge) <= 64:
        raise _malformed()
    return challenge


def read_sign_in(answer: object) -> SignIn:
    """Read the claims of a sign-in response.

    Raises:
        PasskeyError: It is not a WebAuthn response.
    """
    challenge = read_challenge(answer)
    try:
        credential_id = _decoded(cast("dict[str, Any]", answer).get("id"))
        handle = _response(answer).get("userHandle")
        user_handle = None if handle is None or handle == "" else _decoded(handle).decode(errors="replace")
    except (ValueError, TypeError) as error:
        raise _malformed() from error
    if not 1 <= len(credential_id) <= 1023:
        raise _malformed()
    return SignIn(credential_id, challenge, user_handle)


def verify_registration(
    settings: PasskeySettings, answer: Mapping[str, Any], challenge: bytes, user: User, name: str
) -> NewPasskey:
    """Verify a registration response (WebAuthn, 7.1), and return its passkey.

    Raises:
        PasskeyError: It is not valid.
    """
    webauthn = needed("webauthn", "passkeys")
    try:
        found = webauthn.verify_registration_response(
            credential=_unattested(_needful(answer, "attestationObject")),
            expected_challenge=challenge,
            expected_rp_id=settings.rp_id,
            expected_origin=settings.every_origin,
            require_user_verification=settings.user_verification == "required",
        )
    except Exception as error:  # webauthn's decoders raise all kinds of errors on malformed input
        raise PasskeyError("refused", f"the passkey cannot be accepted: {type(error).__name__}") from error
    _refuse_embedding(answer)
    return NewPasskey(
        user_id=user.id,
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        name=name,
        transports=_transports(answer),
        aaguid=found.aaguid or None,
        backed_up=found.credential_backed_up,
        backup_eligible=_eligible(found),
    )


def verify_sign_in(settings: PasskeySettings, answer: Mapping[str, Any], challenge: bytes, passkey: Passkey) -> Use:
    """Verify a sign-in response (WebAuthn, 7.2). The storage compares the result with the last one.

    Raises:
        PasskeyError: It is not valid.
    """
    webauthn = needed("webauthn", "passkeys")
    try:
        found = webauthn.verify_authentication_response(
            credential=_needful(answer, "authenticatorData", "signature", "userHandle"),
            expected_challenge=challenge,
            expected_rp_id=settings.rp_id,
            expected_origin=settings.every_origin,
            credential_public_key=passkey.public_key,
            # The storage compares it in the write itself, so that two simultaneous sign-ins cannot both pass.
            credential_current_sign_count=0,
            require_user_verification=settings.user_verification == "required",
        )
    except Exception as error:  # webauthn's decoders raise all kinds of errors on malformed input
        raise PasskeyError("refused", f"the passkey is not accepted: {type(error).__name__}") from error
    _refuse_embedding(answer)
    return Use(found.new_sign_count, _eligible(found), found.credential_backed_up, found.user_verified)


def _refuse_embedding(answer: Mapping[str, Any]) -> None:
    # WebAuthn, 7.1 step 10 and 7.2 step 13: a page that another site frames reports it. No page of ours is framed.
    client_data = orjson.loads(_decoded(_response(answer).get("clientDataJSON")))
    if client_data.get("crossOrigin") is True or client_data.get("topOrigin") is not None:
        raise PasskeyError("refused", "the ceremony ran in a page that another site embeds")


def _needful(answer: Mapping[str, Any], *members: str) -> dict[str, Any]:
    """Return the members of a response that are verified.

    The rest is ignored, as the standard requires: unknown members, and unknown values of known ones
    (``authenticatorAttachment``, ``transports``, results of extensions).
    """
    response = _response(answer)
    given = {name: response[name] for name in ("clientDataJSON", *members) if response.get(name) is not None}
    identity = answer.get("rawId", answer.get("id"))
    if _decoded(identity) != _decoded(answer.get("id")):
        raise ValueError("id and rawId differ")
    # Some password managers pad base64url, or omit rawId.
    told = base64url.encode(_decoded(identity))
    return {"id": told, "rawId": told, "type": answer.get("type"), "response": given}


def _unattested(credential: dict[str, Any]) -> dict[str, Any]:
    """Return a registration response without its attestation statement.

    None is requested ("none", the default), but some browsers and keys send one, in unknown formats or with expired
    certificates. It would prove which model made the passkey, and nothing depends on that.
    """
    response = credential["response"]
    helpers = needed("webauthn.helpers", "passkeys")
    attestation = helpers.parse_cbor(_decoded(response["attestationObject"]))
    plain = helpers.encode_cbor({"fmt": "none", "attStmt": {}, "authData": attestation["authData"]})
    return {**credential, "response": {**response, "attestationObject": base64url.encode(plain)}}


def _eligible(found: Any) -> bool:
    return str(found.credential_device_type.value) == "multi_device"


def _transports(answer: Mapping[str, Any]) -> tuple[str, ...]:
    # Level 3, 5.2.1: values unknown to us are kept too. A browser that gets them back ignores those that it does not
    # know.
    given = _response(answer).get("transports")
    if not isinstance(given, list):
        return ()
    names = {name for name in cast("list[object]", given) if isinstance(name, str) and _TRANSPORT.fullmatch(name)}
    return tuple(sorted(names)[:_MOST_TRANSPORTS])


def _descriptors(held: Sequence[Passkey]) -> list[dict[str, Any]]:
    return [
        {
            "id": base64url.encode(passkey.credential_id),
            "type": "public-key",
            **({"transports": list(passkey.transports)} if passkey.transports else {}),
        }
        for passkey in held
    ]


def _plain(webauthn: Any, options: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", orjson.loads(webauthn.options_to_json(options)))


def _response(answer: object) -> dict[str, Any]:
    response = cast("dict[str, Any]", answer).get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise _malformed()
    return cast("dict[str, Any]", response)


def _decoded(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > 100_000:
        raise ValueError("no base64url")
    return base64url.decode(text)


def _malformed() -> PasskeyError:
    return PasskeyError("malformed", "the browser's response is not a WebAuthn response")
