"""The JSON of requests and responses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.second_factor import factor_kinds
from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb._web.settings import SessionTransport
from torii_dynamodb.models import Factor, OAuthAccount, Passkey, Session, User
from torii_dynamodb.second_factor import SecondFactorChallenge

__all__ = [
    "AccessTokenOut",
    "BeginEnrolmentIn",
    "ChallengeIn",
    "ChallengeWithCodeIn",
    "ChallengeWithEnrolmentIn",
    "ChallengeWithPasskeyIn",
    "ChangePasswordIn",
    "CodeIn",
    "ConfirmIn",
    "ConfirmationIn",
    "EmailCodeIn",
    "EmailCodeSentOut",
    "EmailIn",
    "EnrolledOut",
    "EnrolmentIn",
    "ExchangeCodeIn",
    "ExchangedCodeOut",
    "FactorChoiceOut",
    "FactorNameIn",
    "FactorOut",
    "FactorsOut",
    "HeldCodeIn",
    "LinkOut",
    "LinkSignInIn",
    "MethodsOut",
    "NativeSignInIn",
    "NewEmailIn",
    "NewPasswordIn",
    "OAuthAccountOut",
    "OAuthAccountsOut",
    "OAuthNativeStartOut",
    "OAuthStartOut",
    "PasskeyAnswerIn",
    "PasskeyIn",
    "PasskeyNameIn",
    "PasskeyOptionsOut",
    "PasskeyOut",
    "PasskeySignInIn",
    "PasskeysOut",
    "ProofIn",
    "RecoveryCodesOut",
    "RegisterIn",
    "ResetIn",
    "SecondFactorOut",
    "SentOut",
    "SessionOut",
    "SessionsOut",
    "SignInIn",
    "SignInOut",
    "SignInWithCodeIn",
    "SignedInOut",
    "TokenIn",
    "TotpEnrolmentOut",
    "UserIn",
    "UserOut",
]

_EMAIL = "ada@example.com"
_PASSWORD = "correct horse battery staple"
_TOKEN = "torii_t1_usr_0123.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG01234567"

Email = Annotated[str, Field(max_length=320, description="An email address.", examples=[_EMAIL])]
Password = Annotated[str, Field(max_length=1024, repr=False, description="A password.", examples=[_PASSWORD])]
LinkToken = Annotated[
    str, Field(max_length=512, repr=False, description="The token in a mailed link.", examples=[_TOKEN])
]
Name = Annotated[str, Field(max_length=256, description="A display name.", examples=["Ada"])]
TransportIn = Annotated[
    SessionTransport,
    Field(description="How to return the session: in a cookie, or as the `token` of the response."),
]

ReplaceIn = Annotated[
    bool,
    Field(
        description="Whether to sign in although another user is signed in in this browser, by cookie: their session "
        "then ends. Ask the person first."
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RegisterIn(_In):
    """Register."""

    email: Email
    password: Password
    name: Name | None = None
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class SignInIn(_In):
    """Sign in with a password."""

    email: Email
    password: Password
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class EmailIn(_In):
    """An address to send a mail to."""

    email: Email


class TokenIn(_In):
    """A mailed link."""

    token: LinkToken


class ProofIn(_In):
    """Prove an address with a mailed link."""

    token: LinkToken
    password: Annotated[
        str | None,
        Field(max_length=1024, repr=False, description="The account's password: what was set up before is then kept."),
    ] = None
    new_password: Annotated[
        str | None,
        Field(
            max_length=1024,
            repr=False,
            description="A password to set at the first proof, instead of everything that was set up before.",
        ),
    ] = None


class LinkSignInIn(_In):
    """Sign in with a mailed link."""

    token: LinkToken
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


Binding = Annotated[
    str | None,
    Field(
        max_length=512,
        repr=False,
        description="For applications without cookies: the `binding` of the response with the reason `confirm`.",
    ),
]


class ConfirmationIn(_In):
    """Check a link that confirms an account at a provider."""

    token: LinkToken
    binding: Binding = None


class ConfirmIn(ConfirmationIn):
    """Confirm an account at a provider with a mailed link."""

    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class NativeSignInIn(_In):
    """Sign in with an ID token that a mobile SDK obtained."""

    id_token: Annotated[str, Field(max_length=32768, repr=False, description="As returned by the SDK.")]
    nonce: Annotated[str, Field(max_length=64, repr=False, description="From `begin`.")]
    name: Annotated[Name | None, Field(description="From the SDK; Apple sends it only the first time.")] = None
    binding: Binding = None
    transport: TransportIn = "bearer"
    replace_session: ReplaceIn = False


class ResetIn(_In):
    """Choose a new password with a mailed link."""

    token: LinkToken
    new_password: Password


class ChangePasswordIn(_In):
    """Change the password."""

    current_password: Password
    new_password: Password


class NewPasswordIn(_In):
    """Set a first password."""

    new_password: Password


class NewEmailIn(_In):
    """Change the address."""

    new_email: Email


class UserIn(_In):
    """Change the profile."""

    name: Name | None


class PasskeyNameIn(_In):
    """Rename a passkey."""

    name: Annotated[str, Field(min_length=1, max_length=64, description="Its display name.", examples=["My phone"])]


class PasskeyIn(_In):
    """Add a passkey: the browser's response."""

    credential: Annotated[dict[str, Any], Field(repr=False, description="`credential.toJSON()`.")]
    name: Annotated[str, Field(min_length=1, max_length=64, description="Its display name.")] = "Passkey"


class PasskeySignInIn(_In):
    """Sign in with a passkey: the browser's response."""

    credential: Annotated[dict[str, Any], Field(repr=False, description="`credential.toJSON()`.")]
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


Challenge = Annotated[
    str | None,
    Field(
        max_length=512,
        repr=False,
        description="For clients without cookies: the `challenge` of the response that asks for a second factor.",
    ),
]
Code = Annotated[
    str,
    Field(max_length=64, repr=False, description="As typed: spaces and hyphens do not matter.", examples=["123 456"]),
]
FactorName = Annotated[str, Field(min_length=1, max_length=64, description="What the person calls the app.")]
TrustIn = Annotated[
    bool, Field(description="Whether this browser need not give a second factor for a while, if that is offered.")
]
Enrolment = Annotated[
    str, Field(max_length=2048, repr=False, description="The `enrolment` of the response to `begin`.")
]


class ChallengeIn(_In):
    """A sign-in that needs a second factor."""

    challenge: Challenge = None


class _CompletionIn(ChallengeIn):
    trust_device: TrustIn = False
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class ChallengeWithCodeIn(_CompletionIn):
    """Sign in with a code as second factor."""

    code: Code
    factor_id: Annotated[
        str | None, Field(max_length=64, description="The app that the code is from; `null`: any of the user's.")
    ] = None


class ChallengeWithPasskeyIn(_CompletionIn):
    """Sign in with a passkey as second factor: the browser's response."""

    credential: Annotated[dict[str, Any], Field(repr=False, description="`credential.toJSON()`.")]


class BeginEnrolmentIn(ChallengeIn):
    """Begin to set up the second factor that a sign-in needs."""

    name: FactorName = "Authenticator app"


class ChallengeWithEnrolmentIn(_CompletionIn):
    """Set up the second factor that a sign-in needs."""

    enrolment: Enrolment
    code: Code


class FactorNameIn(_In):
    """Begin to set up an authenticator app."""

    name: FactorName = "Authenticator app"


class EnrolmentIn(_In):
    """Set up an authenticator app."""

    enrolment: Enrolment
    code: Code


class CodeIn(_In):
    """A code of an authenticator app, or a recovery code."""

    code: Code


class PasskeyAnswerIn(_In):
    """A passkey as second factor: the browser's response."""

    credential: Annotated[dict[str, Any], Field(repr=False, description="`credential.toJSON()`.")]


class EmailCodeIn(_In):
    """Ask for a code by email."""

    email: Email
    purpose: Annotated[
        Literal["sign_in", "verify_email", "reset_password"], Field(description="What the code is for.")
    ] = "sign_in"
    transport: Annotated[
        SessionTransport,
        Field(description="How to return what makes the code valid here: in a cookie, or as `flow` of the response."),
    ] = "cookie"


class HeldCodeIn(_In):
    """A code from an email."""

    code: Code
    flow: Annotated[
        str | None,
        Field(
            max_length=512, repr=False, description="For clients without cookies: the `flow` of the response to `send`."
        ),
    ] = None


class SignInWithCodeIn(HeldCodeIn):
    """Sign in with a code from an email."""

    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class ExchangeCodeIn(HeldCodeIn):
    """Exchange a code for the token of a link."""

    purpose: Annotated[Literal["verify_email", "reset_password"], Field(description="What the code was sent for.")]


class UserOut(BaseModel):
    """A user, as an application may show them, to themselves or to its administrators.

    ``UserOut.of(user)`` creates one; with ``response_model=UserOut`` a route may return the user itself.
    """

    id: Annotated[str, Field(examples=["usr_0123456789abcdef0123456789abcdef"])]
    email: Annotated[str, Field(description="The address as the user entered it.", examples=[_EMAIL])]
    name: str | None
    email_verified: bool
    has_password: bool
    created_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if not isinstance(value, User):
            return value
        return {
            "id": value.id,
            "email": value.email_as_given,
            "name": value.name,
            "email_verified": value.is_email_verified,
            "has_password": value.has_password,
            "created_at": value.created_at,
        }

    @classmethod
    def of(cls, user: User) -> UserOut:
        """Convert a user."""
        return cls.model_validate(user)


class SessionOut(BaseModel):
    """A session: a device that is signed in."""

    id: Annotated[str, Field(description="Identifies the session; it is not the token.")]
    signed_in_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None
    current: Annotated[bool, Field(description="Whether this request came with it.")]

    @classmethod
    def of(cls, session: Session, current_id: str) -> SessionOut:
        """Convert a session."""
        return cls(
            id=session.id,
            signed_in_at=signed_in_at(session),
            expires_at=session.expires_at,
            user_agent=session.user_agent,
            ip_address=session.ip_address,
            current=session.id == current_id,
        )


class SignedInOut(BaseModel):
    """Who is signed in."""

    status: Literal["signed_in"]
    user: UserOut
    session: SessionOut
    token: Annotated[
        str | None, Field(repr=False, description="A new session's token if it is a bearer token, otherwise `null`.")
    ] = None

    @classmethod
    def of(cls, user: User, session: Session, token: str | None = None) -> SignedInOut:
        """The response to a sign-in."""
        return cls(status="signed_in", user=UserOut.of(user), session=SessionOut.of(session, session.id), token=token)


class FactorChoiceOut(BaseModel):
    """A second factor that the user can give."""

    id: Annotated[str, Field(description="For an authenticator app its id, otherwise the kind.")]
    kind: Literal["totp", "passkey", "recovery"]


class SecondFactorOut(BaseModel):
    """The first factor was right, and a second one is required. Nobody is signed in yet."""

    status: Literal["second_factor_required"]
    factors: Annotated[list[FactorChoiceOut], Field(description="What can be given; empty if `enrolment` is true.")]
    enrolment: Annotated[bool, Field(description="Whether the user has no second factor and must set one up first.")]
    expires_at: Annotated[datetime, Field(description="Until when the second factor can be given.")]
    trust_device_for: Annotated[
        int | None,
        Field(description="For how many seconds this browser can be trusted without it; `null` if it cannot be."),
    ]
    challenge: Annotated[
        str | None,
        Field(repr=False, description="The token to send with the second factor; `null` if it is in a cookie."),
    ] = None

    @classmethod
    def of(
        cls, challenge: SecondFactorChallenge, *, trust_device_for: timedelta | None, token: str | None
    ) -> SecondFactorOut:
        """Convert a challenge."""
        kinds, apps = factor_kinds(challenge.user), sorted(challenge.user.factors)
        choices = [
            FactorChoiceOut(id=name.removeprefix("totp#"), kind="totp") for name in apps if name.startswith("totp#")
        ]
        if "passkey" in kinds:
            choices.append(FactorChoiceOut(id="passkey", kind="passkey"))
        if "recovery" in kinds:
            choices.append(FactorChoiceOut(id="recovery", kind="recovery"))
        return cls(
            status="second_factor_required",
            factors=choices,
            enrolment=challenge.enrolment,
            expires_at=challenge.expires_at,
            trust_device_for=None if trust_device_for is None else int(trust_device_for.total_seconds()),
            challenge=token,
        )


SignInOut = Annotated[SignedInOut | SecondFactorOut, Field(discriminator="status")]


class FactorOut(BaseModel):
    """An authenticator app, or the recovery codes."""

    id: Annotated[str, Field(description="`recovery` for the recovery codes.")]
    kind: Literal["totp", "recovery"]
    name: str
    created_at: datetime
    last_used_at: datetime | None
    codes_left: Annotated[int | None, Field(description="How many recovery codes are left; `null` for an app.")]

    @classmethod
    def of(cls, factor: Factor) -> FactorOut:
        """Convert a factor, without its secrets."""
        return cls(
            id=factor.id,
            kind=factor.kind,
            name=factor.name,
            created_at=factor.created_at,
            last_used_at=factor.last_used_at,
            codes_left=factor.codes_left if factor.kind == "recovery" else None,
        )


class FactorsOut(BaseModel):
    """The second factors of a user."""

    enrolled: Annotated[bool, Field(description="Whether signing in takes a second factor.")]
    factors: list[FactorOut]
    passkeys: Annotated[bool, Field(description="Whether the user's passkeys are a second factor.")]


RecoveryCodes = Annotated[list[str], Field(repr=False, description="To show now: they are not stored.")]


class RecoveryCodesOut(BaseModel):
    """Recovery codes."""

    recovery_codes: RecoveryCodes


class TotpEnrolmentOut(BaseModel):
    """An authenticator app to set up."""

    uri: Annotated[str, Field(repr=False, description="The `otpauth://` URI, for a QR code or a link.")]
    secret: Annotated[str, Field(repr=False, description="For people who type it into the app.")]
    enrolment: Annotated[str, Field(repr=False, description="Send it with the first code, within 15 minutes.")]
    qr_svg: Annotated[
        str | None, Field(repr=False, description="The QR code as inline SVG; `null` if `segno` is not installed.")
    ]


class EnrolledOut(BaseModel):
    """An authenticator app that was set up."""

    factor: FactorOut
    recovery_codes: RecoveryCodes
    signed_in: Annotated[SignedInOut, Field(description="The user, with the session that replaces the earlier one.")]


class EmailCodeSentOut(BaseModel):
    """The same whether or not a user has the address."""

    detail: Annotated[str, Field(examples=["check your email to continue"])]
    flow: Annotated[
        str | None, Field(repr=False, description="Send it with the code; `null` if it is in a cookie.")
    ] = None


class ExchangedCodeOut(BaseModel):
    """What a link would have contained."""

    token: Annotated[str, Field(repr=False, description="Valid for ten minutes.")]


class SessionsOut(BaseModel):
    """The devices that are signed in, newest first."""

    sessions: list[SessionOut]


class SentOut(BaseModel):
    """The same whether or not a user has the address."""

    detail: Annotated[str, Field(examples=["check your email to continue"])]


class LinkOut(BaseModel):
    """Whether a mailed link is valid. It is not used up."""

    valid: bool
    email: Annotated[str | None, Field(description="The address it belongs to, if it is valid.")] = None


class OAuthStartOut(BaseModel):
    """A sign-in through a provider that was started."""

    url: Annotated[str, Field(description="Where to send the browser.")]


class OAuthNativeStartOut(BaseModel):
    """A sign-in with a mobile SDK that was started."""

    nonce: Annotated[str, Field(description="For the SDK: as it is, or as its SHA-256 in hex.")]
    expires_at: datetime


class OAuthAccountOut(BaseModel):
    """A linked account at a provider."""

    provider: str
    subject: str
    email: str | None
    linked_at: datetime

    @classmethod
    def of(cls, account: OAuthAccount) -> OAuthAccountOut:
        """Convert an account, without the provider's tokens."""
        return cls(
            provider=account.provider, subject=account.subject, email=account.email, linked_at=account.created_at
        )


class OAuthAccountsOut(BaseModel):
    """The linked accounts, oldest first."""

    accounts: list[OAuthAccountOut]


class PasskeyOut(BaseModel):
    """A passkey."""

    id: Annotated[str, Field(description="The credential id, base64url.")]
    name: str
    backed_up: Annotated[bool, Field(description="Whether it was synchronised between devices when it was last used.")]
    backup_eligible: Annotated[
        bool | None, Field(description="Whether it can ever be; `null` if no authenticator has reported it yet.")
    ]
    transports: list[str]
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyOut:
        """Convert a passkey."""
        return cls(
            id=base64url.encode(passkey.credential_id),
            name=passkey.name,
            backed_up=passkey.backed_up,
            backup_eligible=passkey.backup_eligible,
            transports=list(passkey.transports),
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
        )


class PasskeysOut(BaseModel):
    """The passkeys, oldest first."""

    passkeys: list[PasskeyOut]


class PasskeyOptionsOut(BaseModel):
    """Options for the browser, in the JSON form of WebAuthn Level 3."""

    options: Annotated[
        dict[str, Any],
        Field(description="For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."),
    ]


class MethodsOut(BaseModel):
    """The ways to sign in that are configured."""

    registration: bool
    password: bool
    magic_link: bool
    email_code: bool
    passkeys: bool
    second_factors: bool
    oauth: Annotated[list[str], Field(description="The providers' names.")]
    access_tokens: bool


class AccessTokenOut(BaseModel):
    """An access token (JWT)."""

    access_token: Annotated[str, Field(repr=False)]
    token_type: str = "Bearer"
    expires_in: Annotated[int, Field(description="Seconds.")]
