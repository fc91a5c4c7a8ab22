"""Texts outside the templates: notices after something was done, errors, names of browsers."""

from __future__ import annotations

import re

from torii_dynamodb._rules.oauth import provider_label

__all__ = ["NOTICES", "TITLES", "browser_name", "provider_failure", "provider_label"]

# By the name in the URL, so that a URL cannot supply its own text.
NOTICES = {
    "account-deleted": "Your account and everything in it was deleted.",
    "device-ended": "That device was signed out.",
    "email-changed": "Your email address was changed.",
    "email-code-expired": "That code has expired. Ask for a new one.",
    "factor-added": "Two-step verification: the authenticator app was added.",
    "factor-removed": "The authenticator app was removed.",
    "passkeys-second": "Your passkeys can now be the second step when you sign in.",
    "passkeys-not-second": "Your passkeys are no longer a second step.",
    "second-factor-expired": "The sign-in took too long or was already completed. Please start again.",
    "second-factors-removed": "It was removed, and the owner was told by email.",
    "second-factors-removed-untold": "It was removed. No email was sent: tell the owner.",
    "set-up-expired": "Setting up the app took too long. Please start again.",
    "email-change-sent": "We sent a link to the new address. Open it to complete the change.",
    "account-connected": "The account was connected.",
    "account-disconnected": "The account was disconnected.",
    "others-ended": "All other devices were signed out.",
    "passkey-added": "The passkey was added. You can now sign in with it.",
    "passkey-removed": "The passkey was removed.",
    "passkey-renamed": "The passkey was renamed.",
    "password-changed": "Your password was changed, and your other devices were signed out.",
    "profile-saved": "Your profile was saved.",
    "signed-out": "You are signed out.",
    "signed-out-everywhere": "You are signed out on all devices.",
    "verification-sent": "We sent you a link. Open it to verify your email address.",
    "verified": "Your email address is verified.",
    "verified-sign-in": "Your email address is verified. Sign in to continue.",
    "reset-sent": "We sent the user a link to choose a new password.",
    "user-created": "The user was created.",
    "user-invited": "The user was created, and we sent an invitation.",
    "user-saved": "The changes were saved.",
    "user-verified": "The address is verified.",
    "user-locked": "The account is locked, and all its sessions have ended.",
    "user-unlocked": "The account is unlocked.",
    "sessions-ended": "All sessions of this user have ended.",
    "session-ended": "The session has ended.",
    "attempts-cleared": "The attempts were cleared: this user can try again.",
    "user-deleted": "The user and everything that belonged to it was deleted.",
}

# By the problem's code: the title, and the text unless the problem's own is meant for people.
TITLES: dict[str, tuple[str, str]] = {
    "account_locked": ("This account is locked", ""),
    "body_too_large": ("That is too large", ""),
    "cross_site": (
        "This page is out of date",
        "Nothing was changed. Reload the page and try again. If that doesn't help, allow cookies for this site.",
    ),
    "internal_error": ("Something went wrong", "We logged the error. Please try again."),
    "invalid_token": (
        "This link no longer works",
        "It may have expired or been used already.",
    ),
    "not_found": ("Page not found", "The address may be mistyped, or the page no longer exists."),
    "oauth_error": ("That didn't work", ""),
    "other_user_signed_in": ("You are signed in to another account", "Sign out first, then sign in again."),
    "overloaded": ("We are busy at the moment", "Please try again in a moment."),
    "passkey_error": ("The passkey was not accepted", ""),
    "rate_limited": ("Too many attempts", "Wait a while, then try again."),
    "revoked": (
        "You were signed out in the meantime",
        "All sessions of this account ended after you started. Nothing was changed. Sign in and start again.",
    ),
    "cache_unavailable": (
        "This may take a minute to take effect",
        "Your change was saved. Please try again in a moment to make sure that it applies everywhere.",
    ),
    "throttled": ("We are busy at the moment", "Please try again in a moment."),
    "unavailable": ("We are busy at the moment", "Please try again in a moment."),
    "version_conflict": (
        "This was changed elsewhere at the same time",
        "Your change was not saved. Reload the page and try again.",
    ),
    "error": ("That didn't work", ""),
}

_TOO_LATE = "Nothing was changed: it took too long or was started in another browser. Try again."
_UNREACHED = "Nothing was changed: {name} can't be reached or sent an invalid answer. Try again later."
_OTHER_WAY = "Sign in another way; then you can connect the two in your account."
# By the reason of an OAuthError, or an error's code.
_FAILURES = {
    "denied": "Nothing was changed: {name} was not allowed to tell us who you are.",
    "state": _TOO_LATE,
    "browser": _TOO_LATE,
    "provider": _UNREACHED,
    "id_token": _UNREACHED,
    "email_missing": f"{{name}} didn't tell us your email address. {_OTHER_WAY}",
    "email_unverified": f"{{name}} hasn't verified your email address. {_OTHER_WAY}",
    "confirm": "Check your email: we sent a link to the address that {name} gave us. Open it in this browser.",
    "no_account": f"No account here is connected to it. {_OTHER_WAY}",
    "disconnected": "You disconnected {name} from your account here. Sign in another way, then connect it again.",
    "refused": "You can't sign in here with this account. Choose another one, or sign in another way.",
    "already_exists": "Nothing was changed: this account is connected to another user.",
    "too_many_identities": "Nothing was changed: your account can't have any more ways to sign in.",
    "revoked": "Nothing was changed: all devices were signed out in the meantime. Sign in and start again.",
    "account_locked": "This account is locked. Contact the operator of this site.",
    "rate_limited": "There were too many attempts. Wait a while, then try again.",
}

# The order matters: most browsers also name others.
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
    """A short name for a browser by its user agent, which it can make up: ``"Firefox on Windows"``."""
    if not user_agent:
        return "Unknown browser"
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, user_agent)), None)
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, user_agent)), None)
    if browser is None:
        return user_agent[:60]
    return browser if system is None else f"{browser} on {system}"


def provider_failure(reason: str, name: str) -> str:
    """What to say when a sign-in through a provider failed.

    Args:
        reason: ``OAuthError.reason`` or an error's code. It comes from a URL, so it can be anything.
        name: The provider's name for people.
    """
    text = _FAILURES.get(reason, "Something went wrong, and nothing was changed. Try again.").format(name=name)
    return text[:1].upper() + text[1:]
