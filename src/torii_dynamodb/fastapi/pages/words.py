"""What the pages say that is no template's: notices after something was done, titles of errors, names of browsers."""

from __future__ import annotations

import re

from torii_dynamodb._rules.oauth import provider_label

__all__ = ["NOTICES", "TITLES", "browser_name", "provider_failure", "provider_label"]

# An address can name a notice, but not write one.
NOTICES = {
    "account-deleted": "Your account was deleted, and everything that belonged to it.",
    "device-ended": "That device is signed out.",
    "email-changed": "Your e-mail address was changed.",
    "email-change-sent": "We sent a link to the new address. The change happens when you open it.",
    "account-connected": "The account is connected.",
    "account-disconnected": "The account is disconnected.",
    "others-ended": "All other devices are signed out.",
    "passkey-added": "The passkey was added. You can sign in with it from now on.",
    "passkey-removed": "The passkey was removed.",
    "passkey-renamed": "The passkey has its new name.",
    "password-changed": "Your password was changed, and your other devices are signed out.",
    "profile-saved": "Your profile was saved.",
    "signed-out": "You are signed out.",
    "signed-out-everywhere": "You are signed out on all devices.",
    "verification-sent": "We sent you a link. Open it to verify your e-mail address.",
    "verified": "Your e-mail address is verified.",
    "verified-sign-in": "Your e-mail address is verified. Sign in to go on.",
    "user-locked": "The account is locked, and its sessions are ended.",
    "user-unlocked": "The account is unlocked.",
    "sessions-ended": "All sessions of this user are ended.",
    "session-ended": "The session is ended.",
    "attempts-cleared": "The lockout is lifted: the next attempt is taken.",
    "user-deleted": "The user was deleted, and everything that belonged to it.",
}

# By the problem's code: the title, and the text where the problem's own is not for people.
TITLES: dict[str, tuple[str, str]] = {
    "account_locked": ("The account is locked", ""),
    "body_too_large": ("That was too much", ""),
    "cross_site": (
        "This page is out of date",
        "It was open too long, or it was not one of ours. Nothing was changed. Load it again. Cookies must be allowed.",
    ),
    "internal_error": ("Something went wrong", "It was noted. Please try again."),
    "invalid_token": (
        "This link does not work any more",
        "It was used before, it has expired, or it is not one of ours.",
    ),
    "not_found": ("There is no such page", "The address may be mistyped, or what was here is gone."),
    "oauth_error": ("That did not work", ""),
    "other_user_signed_in": ("Another account is signed in here", "Sign out first, then sign in again."),
    "overloaded": ("We are busy right now", "Please try again in a moment."),
    "passkey_error": ("The passkey was not accepted", ""),
    "rate_limited": ("Too many tries", "Wait a little, then try again."),
    "revoked": (
        "You were signed out meanwhile",
        "All sessions of this account were ended since you began. Nothing was changed. Sign in and begin again.",
    ),
    "throttled": ("We are busy right now", "Please try again in a moment."),
    "unavailable": ("We are busy right now", "Please try again in a moment."),
    "version_conflict": (
        "Something else was changed at the same moment",
        "Nothing was changed here. Load the page again and try once more.",
    ),
    "error": ("That did not work", ""),
}

_TOO_LATE = "Nothing was changed: it took too long, or it was begun in another browser. Try again."
_UNREACHED = "Nothing was changed: {name} cannot be reached now, or gave an answer that does not hold. Try again later."
_OTHER_WAY = "Sign in another way; then you can connect the two in your account."
# By the reason of an OAuthError, or an error's code.
_FAILURES = {
    "denied": "Nothing was changed: {name} was not allowed to say who you are.",
    "state": _TOO_LATE,
    "browser": _TOO_LATE,
    "provider": _UNREACHED,
    "id_token": _UNREACHED,
    "email_missing": f"{{name}} does not tell us your e-mail address. {_OTHER_WAY}",
    "email_unverified": f"{{name}} does not say for sure whose e-mail address this is. {_OTHER_WAY}",
    "confirm": "Look into your mail: we sent a link to the address that {name} told us. Open it in this browser.",
    "no_account": f"No account here is connected to this account. {_OTHER_WAY}",
    "disconnected": "You disconnected {name} from your account here. Sign in another way, then connect it again.",
    "refused": "This account may not be used to sign in here. Choose another one, or sign in another way.",
    "already_exists": "Nothing was changed: somebody else has connected this account.",
    "too_many_identities": "Nothing was changed: your account has as many ways to sign in as it can have.",
    "revoked": "Nothing was changed: all devices were signed out meanwhile. Sign in, and begin again.",
    "account_locked": "This account is locked. Ask whoever runs this site.",
    "rate_limited": "There were too many tries. Wait a little, then try again.",
}

# The order matters: most browsers name others, too.
_BROWSERS = (
    ("Edge", r"Edg(?:A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"(?:Headless)?Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Version/[\d.]+ .*Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("Android", r"Android"),
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("ChromeOS", r"CrOS"),
    ("Windows", r"Windows"),
    ("Mac", r"Macintosh|Mac OS X"),
    ("Linux", r"Linux|X11"),
)


def browser_name(user_agent: str | None) -> str:
    """A short name for a browser, as its user agent tells: ``"Firefox on Windows"``. Anybody can claim to be any."""
    if not user_agent:
        return "An unnamed browser"
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, user_agent)), None)
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, user_agent)), None)
    if browser is None:
        return user_agent[:60]
    return browser if system is None else f"{browser} on {system}"


def provider_failure(reason: str, name: str) -> str:
    """What to say of a sign-in through a provider that came to nothing.

    Args:
        reason: ``OAuthError.reason``, or an error's code; anything else, too, for it stands in an address.
        name: What people call the provider.
    """
    told = _FAILURES.get(reason, "Something went wrong, and nothing was changed. Try again.").format(name=name)
    return told[:1].upper() + told[1:]
