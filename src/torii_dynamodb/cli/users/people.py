"""What the commands that change users share: the services, what became of the mails, and the JSON they print."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torii_dynamodb import DynamoDbHandle, Torii
from torii_dynamodb.cli.mailing import Mailing
from torii_dynamodb.cli.support import Connection, ExitCode, emit, fail, note, plain, say
from torii_dynamodb.cli.users.finding import find_user, user_facts
from torii_dynamodb.events import MailFailed, MailSent
from torii_dynamodb.models import User
from torii_dynamodb.policies import PasswordPolicy

__all__ = ["People", "open_people"]


@dataclass(slots=True)
class People:
    """The services on the tables of a command.

    Args:
        storage: The tables.
        torii: The services; they send mail if a mailer is configured.
        mails: What became of each mail.
    """

    storage: DynamoDbHandle
    torii: Torii
    mails: list[MailSent | MailFailed] = field(default_factory=list[MailSent | MailFailed])

    def find(self, who: str) -> User:
        """The user with an ID or email address; ends the command if there is none."""
        return find_user(self.storage, who)

    def note_mail(self, mail: MailSent | MailFailed) -> None:
        """Record what became of a mail."""
        self.mails.append(mail)

    def tell(
        self,
        action: str,
        user: User,
        told: str,
        *,
        changed: bool = True,
        notice: bool = False,
        as_json: bool,
        **more: Any,
    ) -> None:
        """Print what was done, and what became of the mails.

        Args:
            action: The action's name in the JSON.
            user: The user, as stored now.
            told: What to say to people.
            changed: Whether anything was changed.
            notice: Whether the owner should hear of it, from us or from the person at the terminal.
            as_json: Whether to print JSON.
            more: More keys of the JSON.
        """
        if as_json:
            emit(
                {
                    "action": action,
                    "changed": changed,
                    "user": user_facts(user),
                    **more,
                    "mail_configured": self.torii.sends_mail,
                    "mails": [
                        {"template": mail.template, "sent": isinstance(mail, MailSent), "error": _reason(mail)}
                        for mail in self.mails
                    ],
                }
            )
        else:
            say(plain(told))
        if notice and changed and not any(isinstance(mail, MailSent) for mail in self.mails):
            reason = next((f" ({_reason(mail)})" for mail in self.mails), "")
            note(f"No mail was sent{reason}: tell the owner.")
        elif not as_json:
            for mail in self.mails:
                if isinstance(mail, MailSent):
                    note(f"Mail sent: {mail.template}")

    def require_mail(self, what: str) -> None:
        """End the command if a mail that it is all about was not sent."""
        failed = next((mail for mail in self.mails if isinstance(mail, MailFailed)), None)
        if failed is not None:
            fail(f"{what} could not be sent: {failed.error}", ExitCode.FAILED)


@contextmanager
def open_people(connection: Connection, mail: Mailing | None = None) -> Generator[People]:
    """Open the tables, which must exist, with the services on them; ``mail`` is for commands that send some."""
    mail = mail or Mailing(url=None, settings={})
    mailer = mail.mailer(connection)
    settings = None if mailer is None else mail.mail_settings()
    passwords = PasswordPolicy(words=(mail.app_name,) if mail.app_name else ())
    with connection.open(session_cleanup="inline") as storage:
        people = People(storage, Torii(storage, mailer=mailer, mail=settings, passwords=passwords))
        people.torii.events.subscribe(people.note_mail, MailSent)
        people.torii.events.subscribe(people.note_mail, MailFailed)
        yield people


def _reason(mail: MailSent | MailFailed) -> str | None:
    return mail.error if isinstance(mail, MailFailed) else None
