"""What goes over the wire: the JSON of requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb.fastapi.settings import SessionTransport
from torii_dynamodb.models import OAuthAccount, Passkey, Session, User

__all__ = [
    "AccessTokenOut",
    "ChangePasswordIn",
    "ConfirmIn",
    "ConfirmationIn",
    "EmailIn",
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
    "PasskeyIn",
    "PasskeyNameIn",
    "PasskeyOptionsOut",
    "PasskeyOut",
    "PasskeySignInIn",
    "PasskeysOut",
    "ProofIn",
    "RegisterIn",
    "ResetIn",
    "SentOut",
    "SessionOut",
    "SessionsOut",
    "SignInIn",
    "SignedInOut",
    "TokenIn",
    "UserIn",
    "UserOut",
]

_EMAIL = "ada@example.com"
_PASSWORD = "correct horse battery staple"
_TOKEN = "torii_t1_usr_0123.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG01234567"

Email = Annotated[str, Field(max_length=320, description="An e-mail address.", examples=[_EMAIL])]
Password = Annotated[str, Field(max_length=1024, repr=False, description="A password.", examples=[_PASSWORD])]
LinkToken = Annotated[
    str, Field(max_length=512, repr=False, description="The token that a mailed link carries.", examples=[_TOKEN])
]
Name = Annotated[str, Field(max_length=256, description="A display name.", examples=["Ada"])]
TransportIn = Annotated[
    SessionTransport,
    Field(description="How the session is to travel: in a cookie that is set, or as the `token` of the answer."),
]

ReplaceIn = Annotated[
    bool,
    Field(
        description="Whether to sign in although another user is signed in in this browser, by a cookie: their session "
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
    """An address to mail to."""

    email: Email


class TokenIn(_In):
    """A mailed link."""

    token: LinkToken


class ProofIn(_In):
    """Prove an address by a mailed link."""

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
            description="A password to set at the first proof, in place of all that was set up before.",
        ),
    ] = None


class LinkSignInIn(_In):
    """Sign in by a mailed link."""

    token: LinkToken
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


Binding = Annotated[
    str | None,
    Field(
        max_length=512,
        repr=False,
        description="For applications without cookies: the `binding` that the answer with the reason `confirm` had.",
    ),
]


class ConfirmationIn(_In):
    """Check a link that confirms an account at a provider."""

    token: LinkToken
    binding: Binding = None


class ConfirmIn(ConfirmationIn):
    """Confirm an account at a provider by a mailed link."""

    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class NativeSignInIn(_In):
    """Sign in by an ID token that a mobile SDK obtained."""

    id_token: Annotated[str, Field(max_length=32768, repr=False, description="As the SDK gave it.")]
    nonce: Annotated[str, Field(max_length=64, repr=False, description="From the beginning.")]
    name: Annotated[Name | None, Field(description="As the SDK tells it; Apple tells it the first time only.")] = None
    binding: Binding = None
    transport: TransportIn = "bearer"
    replace_session: ReplaceIn = False


class ResetIn(_In):
    """Choose a new password by a mailed link."""

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
    """Move to another address."""

    new_email: Email


class UserIn(_In):
    """Change the profile."""

    name: Name | None


class PasskeyNameIn(_In):
    """Rename a passkey."""

    name: Annotated[str, Field(min_length=1, max_length=64, description="What to call it.", examples=["My phone"])]


class PasskeyIn(_In):
    """Add a passkey: the browser's answer."""

    credential: Annotated[dict[str, Any], Field(repr=False, description="`credential.toJSON()`.")]
    name: Annotated[str, Field(min_length=1, max_length=64, description="What to call it.")] = "Passkey"


class PasskeySignInIn(_In):
    """Sign in with a passkey: the browser's answer."""

    credential: Annotated[dict[str, Any], Field(repr=False, description="`credential.toJSON()`.")]
    transport: TransportIn = "cookie"
    replace_session: ReplaceIn = False


class UserOut(BaseModel):
    """A user, as an application may show them: to themselves, or whole to its own administrators.

    ``UserOut.of(user)`` makes one; with ``response_model=UserOut`` a route may return the user itself.
    """

    id: Annotated[str, Field(examples=["usr_0123456789abcdef0123456789abcdef"])]
    email: Annotated[str, Field(description="The address as it was given.", examples=[_EMAIL])]
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
        """What the person is told of themselves."""
        return cls.model_validate(user)


class SessionOut(BaseModel):
    """A session: a device that is signed in."""

    id: Annotated[str, Field(description="Names the session; it is not the token.")]
    signed_in_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None
    current: Annotated[bool, Field(description="Whether this request came with it.")]

    @classmethod
    def of(cls, session: Session, current_id: str) -> SessionOut:
        """What the person is told of a session."""
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

    user: UserOut
    session: SessionOut
    token: Annotated[
        str | None, Field(repr=False, description="A new session's token, where it travels as bearer; else `null`.")
    ] = None

    @classmethod
    def of(cls, user: User, session: Session, token: str | None = None) -> SignedInOut:
        """A sign-in's answer."""
        return cls(user=UserOut.of(user), session=SessionOut.of(session, session.id), token=token)


class SessionsOut(BaseModel):
    """The devices that are signed in, newest first."""

    sessions: list[SessionOut]


class SentOut(BaseModel):
    """The same whether or not anybody holds the address."""

    detail: Annotated[str, Field(examples=["if this address can be used here, a mail is on its way"])]


class LinkOut(BaseModel):
    """Whether a mailed link holds. It is not used up."""

    valid: bool
    email: Annotated[str | None, Field(description="The address it belongs to, if it holds.")] = None


class OAuthStartOut(BaseModel):
    """A sign-in through a provider that was begun."""

    url: Annotated[str, Field(description="Where to send the browser.")]


class OAuthNativeStartOut(BaseModel):
    """A sign-in by a mobile SDK that was begun."""

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
        """What the person is told of it. The provider's tokens stay here."""
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
    backed_up: Annotated[bool, Field(description="Whether it was synchronised between devices when it was used last.")]
    backup_eligible: Annotated[
        bool | None, Field(description="Whether it ever can be; `null` where no authenticator has told yet.")
    ]
    transports: list[str]
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyOut:
        """What the person is told of it."""
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
    """What is offered here."""

    registration: bool
    password: bool
    magic_link: bool
    passkeys: bool
    oauth: Annotated[list[str], Field(description="The providers' names.")]
    access_tokens: bool


class AccessTokenOut(BaseModel):
    """An access token (JWT)."""

    access_token: Annotated[str, Field(repr=False)]
    token_type: str = "Bearer"
    expires_in: Annotated[int, Field(description="Seconds.")]
