# Generated from src/torii_dynamodb/_async/services/mail.py by tools/unasync.py. Do not edit.

"""Rendering mails and passing them to the mailer, with a limit per mailbox."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import Browser, refuse_more
from torii_dynamodb._sync.primitives import Background, both
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.events import MailFailed, MailSent
from torii_dynamodb.languages import Language, date_and_time, duration, preferred, speaking
from torii_dynamodb.mail.appearance import appearance
from torii_dynamodb.mail.messages import MailMessage
from torii_dynamodb.mail.settings import MailSettings
from torii_dynamodb.mail.templates import Templates
from torii_dynamodb.models import AttemptResult, NewToken, PasswordCredentials, Token, User

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.mail import Mailer
    from torii_dynamodb._sync.services.events import Events

__all__ = ["Mail", "mailbox"]

_log = logging.getLogger("torii_dynamodb")


class Mail:
    """Mails to users, always to the stored address, never to one just typed: two spellings may be two mailboxes.

    Args:
        storage: Counts the mails.
        mailer: Sends them.
        settings: The settings.
        templates: The templates.
        events: Receives the events.
        clock: The clock.
        random: The randomness for unused ids.
    """

    def __init__(
        self,
        storage: Storage,
        mailer: Mailer,
        settings: MailSettings,
        templates: Templates,
        *,
        events: Events,
        clock: Clock,
        random: RandomBytes,
    ) -> None:
        self._storage = storage
        self._mailer = mailer
        self.settings = settings
        self._templates = templates
        self._events = events
        self._clock = clock
        self._random = random
        self._background = Background()

    def throttle(self, email: str, purpose: str, lifetime: timedelta, *, by: str | None = None) -> None:
        """Count a mail with a link to a mailbox, whether or not a user has the address.

        Every purpose counts separately: a stranger who uses up the reset links must not keep the owner from a sign-in
        link.

        Args:
            email: The address.
            purpose: The purpose of the link; mails of one purpose count together.
            lifetime: How long the link is valid.
            by: The id of the signed-in user who asks, if any. Users are counted first, so that one over the limit uses
                up nobody's mailbox.

        Raises:
            RateLimited: Too many were sent.
        """
        self._count_user(purpose, by)
        _refuse(self._count(email, purpose, lifetime))

    def _count_user(self, purpose: str, user_id: str | None) -> None:
        if user_id is not None:
            policy = self.settings.throttle_user
            counted = self._storage.acquire_attempt("user", user_id, purpose=f"mail_{purpose}", policy=policy)
            refuse_more(counted, "you have requested too many of these mails; try again later")

    def _count(self, email: str, purpose: str, lifetime: timedelta) -> AttemptResult:
        policy = self.settings.throttle_of(lifetime)
        return self._storage.acquire_attempt("mail", normalise_email(email).normalised, purpose=purpose, policy=policy)

    def find(self, email: str, purpose: str, lifetime: timedelta, *, by: str | None = None) -> User | None:
        """Do :meth:`throttle`, and read the user with the address. The same requests for known and unknown addresses.

        Returns:
            The user; ``None`` if no user has the address.

        Raises:
            RateLimited: Too many were sent.
        """
        self._count_user(purpose, by)
        attempt, found = both(
            lambda: self._count(email, purpose, lifetime), lambda: self._storage.get_credentials_by_email(email)
        )
        _refuse(attempt)
        return self._holder(found)

    def holder(self, email: str) -> User | None:
        """Read the user with an address. Two requests, one after the other, for known and unknown addresses."""
        return self._holder(self._storage.get_credentials_by_email(email))

    def _holder(self, credentials: PasswordCredentials | None) -> User | None:
        user_id = f"usr_{self._random(16).hex()}" if credentials is None else credentials.user_id
        return self._storage.get_user(user_id, consistent=True)

    def token(
        self,
        purpose: str,
        lifetime: timedelta,
        *,
        user: User | None,
        email: str,
        metadata: dict[str, str] | None = None,
        revoke_earlier: bool = False,
    ) -> Token:
        """Create a one-time token for the user, or for an address without a user: one write either way.

        With ``revoke_earlier`` the user's earlier tokens of the purpose end: one transaction.
        """
        return self._storage.create_token(
            NewToken(
                purpose=purpose,
                expires_at=self._clock() + lifetime,
                user_id=None if user is None else user.id,
                email=email if user is None else None,
                metadata={} if metadata is None else dict(metadata),
                revoke_earlier=revoke_earlier,
            ),
            user=user,
        )

    def send_link(
        self,
        template: str,
        to: str,
        path: str,
        token: Token,
        lifetime: timedelta,
        *,
        user: User | None,
        context: dict[str, Any] | None = None,
    ) -> None:
        """Mail a link with a token."""
        link = {"link": self.settings.url(path, token.token), "expires_in": lifetime}
        self.send(template, to, {**link, **(context or {})}, user=user)

    def tell_of_sign_in(self, user: User, browser: Browser) -> None:
        """Mail the owner about a sign-in from an unknown browser."""
        if self.settings.new_sign_in_notice:
            context = {"user_agent": browser.user_agent, "ip_address": browser.ip_address}
            self.notify("new_sign_in", user, context)

    def notify(self, template: str, user: User, context: dict[str, Any]) -> None:
        """Send a notice that anybody who can sign in can cause repeatedly, within a limit per mailbox.

        Notices beyond ``throttle`` are dropped and logged; the caller continues.
        """
        self.send(template, mailbox(user), context, user=user, counted=user.email)

    def notify_by_id(self, template: str, user_id: str, context: dict[str, Any], *, user: User | None = None) -> None:
        """Do the same for a user by id. One more request if ``user`` is not given."""
        owner = self._storage.get_user(user_id, consistent=True) if user is None else user
        if owner is not None:
            self.notify(template, owner, context)

    def send(
        self,
        template: str,
        to: str,
        context: dict[str, Any],
        *,
        user: User | None,
        counted: str | None = None,
    ) -> None:
        """Render a mail and pass it to the mailer, in the background unless ``delivery="inline"``.

        If that fails, it is logged and an event is emitted; the caller continues.

        Args:
            template: The template.
            to: The recipient.
            context: The template's variables.
            user: The user it is about, for the language and the event; ``None`` for an address without a user.
            counted: The address to count it under, just before it is sent; ``None`` if the caller has counted it, or
                something else limits it.
        """
        everything = {
            **appearance(self.settings.brand, self.settings.base_url),
            "app_name": self.settings.app_name,
            "base_url": self.settings.base_url,
            "sign_in_link": self.settings.url(self.settings.sign_in_path),
            "when": self._clock(),
            **context,
        }
        user_id = None if user is None else user.id
        language = self._language(user)  # now: background work may not know the request

        def deliver() -> None:
            self._deliver(template, to, everything, language, user_id, counted)

        if self.settings.delivery == "inline":
            deliver()
        else:
            self._background.spawn(deliver, f"mail-{template}")

    def _language(self, user: User | None) -> Language:
        """The language of a mail: the user's if it is known, otherwise that of the request."""
        own = ""
        if user is not None and self.settings.language_of is not None:
            try:
                own = str(self.settings.language_of(user) or "")
            except Exception:  # noqa: BLE001 - the application's function may raise anything; the mail is still sent
                _log.exception("MailSettings.language_of failed; the mail is in the language of the request")
        return self.settings.languages.choose(own, *preferred())

    def _deliver(
        self,
        template: str,
        to: str,
        context: dict[str, Any],
        language: Language,
        user_id: str | None,
        counted: str | None,
    ) -> None:
        try:
            if counted is not None:
                policy = self.settings.throttle
                attempt = self._storage.acquire_attempt("mail", counted, purpose=template, policy=policy)
                if not attempt.allowed:
                    _log.warning("the mail %s was dropped: too many were sent to this mailbox", template)
                    return
            with speaking(language):
                made = self._templates.render(template, _in_words(context, language))
            message = MailMessage(
                sender=self.settings.sender,
                to=to,
                subject=made.subject,
                text=made.text,
                html=made.html,
                template=template,
                reply_to=self.settings.reply_to,
                language=language.tag,
            )
            self._mailer.send(message)
        except Exception as error:  # noqa: BLE001 - a mailer may raise anything; the sign-up or reset goes on
            # Neither the message nor a traceback: a mail server's response may repeat the mail, with its link. Our own
            # errors do not.
            detail = str(error) if isinstance(error, ToriiError) else type(error).__name__
            _log.error("the mail %s could not be sent: %s", template, detail)
            failed = MailFailed(at=self._clock(), user_id=user_id, template=template, error=type(error).__name__)
            self._events.emit(failed)
        else:
            self._events.emit(MailSent(at=self._clock(), user_id=user_id, template=template))

    def wait(self) -> None:
        """Wait until no mail is being sent."""
        self._background.wait()


def _in_words(context: dict[str, Any], language: Language) -> dict[str, Any]:
    """A template's variables, with times in the current language."""
    words = {
        name: date_and_time(value, sentence=True)
        if isinstance(value, datetime)
        else duration(value)
        if isinstance(value, timedelta)
        else value
        for name, value in context.items()
    }
    return {**words, "language": language.tag, "direction": language.direction}


def mailbox(user: User) -> str:
    """Return where to send a user's mail: the local part as they wrote it, the domain in ASCII."""
    return f"{user.email_as_given.rpartition('@')[0]}@{user.email.rpartition('@')[2]}"


def _refuse(attempt: AttemptResult) -> None:
    # The same message if no user has the address and nothing was sent.
    refuse_more(
        attempt,
        "too many of these mails were requested for this address; the links in those already sent still work: use the "
        "newest, or try again later",
        what="mail",
    )
