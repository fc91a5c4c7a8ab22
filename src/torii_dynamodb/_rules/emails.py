r"""The one rule by which two spellings are one address. It is a key: changing it would split or join accounts.

* The local part is ASCII and lower-cased ASCII-wise. A local part with other characters is refused: case folding
  beyond ASCII joins addresses that mail servers keep apart (``"\u212a".lower()`` is ``"k"``).
* The domain is its IDNA A-label (``bücher.example`` is ``xn--bcher-kva.example``), lower-cased.
* Dots and ``+tags`` stay: what they mean is the mail host's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torii_dynamodb.errors import ValidationError

__all__ = ["Email", "normalise_email"]

# RFC 5321, 4.5.3.1.3: a path is at most 256 octets with its angle brackets.
MAX_LENGTH = 254


@dataclass(frozen=True, slots=True)
class Email:
    """An address.

    Args:
        normalised: What makes it unique.
        as_given: As the person wrote it, white space around it gone.
    """

    normalised: str
    as_given: str


def normalise_email(text: object, *, field: str = "email") -> Email:
    """Both forms of an address.

    Raises:
        ValidationError: It is no address, or its local part is not ASCII; the reason is for people.
    """
    if not isinstance(text, str):
        raise ValidationError(field, f"give the address as text, not as {type(text).__name__}")
    stripped = text.strip()
    if not stripped:
        raise ValidationError(field, "is empty")
    if len(stripped) > MAX_LENGTH:
        raise ValidationError(field, f"has {len(stripped)} characters; an address has at most {MAX_LENGTH}")
    # Before the library sees it: Unicode normalisation turns the Kelvin sign into an ASCII K.
    if not stripped.rpartition("@")[0].isascii():
        raise ValidationError(
            field, "has characters outside ASCII before the @; such an address cannot be told apart from others safely"
        )
    return _normalise(stripped, field)


@lru_cache(maxsize=4096)
def _normalise(text: str, field: str) -> Email:
    # Imported when first used: it costs a cold start more than a session check takes.
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text,
            check_deliverability=False,
            strict=True,
            allow_smtputf8=True,
            allow_quoted_local=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise ValidationError(field, f"is not a valid email address: {error}") from None
    except (UnicodeError, ValueError):
        raise ValidationError(field, "is not a valid email address") from None
    if not found.ascii_domain:
        raise ValidationError(field, "has a domain that cannot be written in ASCII (IDNA)")
    normalised = f"{found.local_part.lower()}@{found.ascii_domain.lower()}"
    if len(normalised) > MAX_LENGTH:
        raise ValidationError(field, f"has {len(normalised)} characters in ASCII; an address has at most {MAX_LENGTH}")
    return Email(normalised=normalised, as_given=text)
