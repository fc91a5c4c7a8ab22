"""Why a value is refused, in the words and the language of the pages. The services' own words are for developers."""

from __future__ import annotations

import re

from torii_dynamodb.errors import ValidationError
from torii_dynamodb.languages import current_language, gettext, marked

__all__ = ["in_words"]

_INVALID_ADDRESS = "is not a valid email address: "
# The sentences of email-validator that most people see. The others name characters and rules, in English.
_ADDRESSES = {
    "An email address must have an @-sign.": marked("The email address has no @."),
    "There must be something before the @-sign.": marked("The email address has nothing before the @."),
    "There must be something after the @-sign.": marked("The email address has nothing after the @."),
    "The part after the @-sign is not valid. It should have a period.": marked(
        "The part of the email address after the @ has no dot. It should look like example.com."
    ),
}
_REASONS = [
    (re.compile(pattern), message)
    for pattern, message in (
        # Translators: %(field)s is "The password", "The name" or "The email address", each in your language.
        (r"is empty", marked("%(field)s is empty.")),
        (
            r"has (?P<count>\d+) characters(?: in ASCII)?; an address has at most (?P<most>\d+)",
            marked("%(field)s has %(count)s characters. An address has at most %(most)s."),
        ),
        (
            r"has characters outside ASCII before the @; .*",
            marked("The part before the @ can only have the letters A to Z, digits and signs."),
        ),
        (r"has a domain that cannot be written .*", marked("The part after the @ is not a valid domain.")),
        (_INVALID_ADDRESS.rstrip(": "), marked("%(field)s is not a valid email address.")),
        (r"is already the address of this account", marked("This is your email address already.")),
        (
            r"has (?P<count>\d+) characters(?: \(\d+ bytes\))?; (?:use|give) (?P<least>\d+) to (?P<most>\d+).*",
            marked("%(field)s has %(count)s characters. Use %(least)s to %(most)s."),
        ),
        (r"has a lone surrogate, .*", marked("%(field)s has a character that can't be stored.")),
        (r"has control characters or line breaks", marked("%(field)s has control characters or line breaks.")),
        (
            r"is the email address, or its first part; .*",
            marked("Your email address, or its first part, is not a good password. Choose another one."),
        ),
        (
            r"is made of your name, .*",
            marked(
                "A password must not be made of your name, your email address or the name of this site. "
                "Choose another one."
            ),
        ),
        (
            r"is one of the most common passwords; .*",
            marked("This is one of the most common passwords. Choose another one."),
        ),
        (
            r"is on a list of passwords known from breaches; .*",
            marked("This password was found in a data breach at another site. Choose another one."),
        ),
        (r"must be a JSON object, .*", marked('%(field)s must be a JSON object, such as {"plan": "pro"}.')),
    )
]


def in_words(error: ValidationError, field: str) -> str:
    """Return a sentence that says what is wrong with a field.

    Args:
        error: The error.
        field: The beginning of a sentence about the field, such as "The password", not yet translated.
    """
    sentence = error.reason.partition(_INVALID_ADDRESS)[2]
    if sentence in _ADDRESSES:
        return gettext(_ADDRESSES[sentence])
    if sentence:
        # It repeats what was typed, so it is never looked up.
        return (
            sentence
            if current_language().is_english
            else gettext("%(field)s is not a valid email address.", field=gettext(field))
        )
    for pattern, message in _REASONS:
        match = pattern.fullmatch(error.reason)
        if match is not None:
            return gettext(message, field=gettext(field), **match.groupdict())
    return f"{gettext(field)} {error.reason}{'' if error.reason.endswith('.') else '.'}"
