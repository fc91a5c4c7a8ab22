"""Texts outside the templates: notices after something was done, errors, names of browsers."""

from __future__ import annotations

import re

from torii_dynamodb._rules.oauth import provider_label
from torii_dynamodb.languages import gettext, marked

__all__ = ["NOTICES", "TITLES", "browser_name", "provider_failure", "provider_label"]

# By the name in the URL, so that a URL cannot supply its own text.
NOTICES = {
    "account-deleted": marked("Your account and everything in it was deleted."),
    "device-ended": marked("That device was signed out."),
    "email-changed": marked("Your email address was changed."),
    "email-code-expired": marked("That code has expired. Ask for a new one."),
    "factor-added": marked("Two-step verification: the authenticator app was added."),
    "factor-removed": marked("The authenticator app was removed."),
    "passkeys-second": marked("Your passkeys can now be the second step when you sign in."),
    "passkeys-not-second": marked("Your passkeys are no longer a second step."),
    "second-factor-expired": marked("The sign-in took too long or was already completed. Please start again."),
    "second-factors-removed": marked("It was removed, and the owner was told by email."),
    "second-factors-removed-untold": marked("It was removed. No email was sent: tell the owner."),
    "set-up-expired": marked("Setting up the app took too long. Please start again."),
    "email-change-cancelled": marked("The change was cancelled. Its link no longer works."),
    "sent-again": marked("If this address can be used here, another email is on its way."),
    "email-change-sent": marked("We sent a link to the new address. Open it to complete the change."),
    "account-connected": marked("The account was connected."),
    "account-disconnected": marked("The account was disconnected."),
    "others-ended": marked("All other devices were signed out."),
    "passkey-added": marked("The passkey was added. You can now sign in with it."),
    "passkey-removed": marked("The passkey was removed."),
    "passkey-renamed": marked("The passkey was renamed."),
    "password-changed": marked("Your password was changed, and your other devices were signed out."),
    "profile-saved": marked("Your profile was saved."),
    "signed-out": marked("You are signed out."),
    "signed-out-everywhere": marked("You are signed out on all devices."),
    "verification-sent": marked("We sent you a link. Open it to verify your email address."),
    "verified": marked("Your email address is verified."),
    "verified-sign-in": marked("Your email address is verified. Sign in to continue."),
    "reset-sent": marked("We sent the user a link to choose a new password."),
    "user-created": marked("The user was created."),
    "user-invited": marked("The user was created, and we sent an invitation."),
    "user-saved": marked("The changes were saved."),
    "user-verified": marked("The address is verified."),
    "user-locked": marked("The account is locked, and all its sessions have ended."),
    "user-unlocked": marked("The account is unlocked."),
    "sessions-ended": marked("All sessions of this user have ended."),
    "session-ended": marked("The session has ended."),
    "attempts-cleared": marked("The attempts were cleared: this user can try again."),
    "user-deleted": marked("The user and everything that belonged to it was deleted."),
}

# By the problem's code: the title and the text. Others have those of "error".
TITLES: dict[str, tuple[str, str]] = {
    "account_locked": (
        marked("This account is locked"),
        marked("Wait a while, then try again. If that doesn't help, contact the operator of this site."),
    ),
    "body_too_large": (marked("That is too large"), marked("Nothing was changed. Enter less, then try again.")),
    "cross_site": (
        marked("This page is out of date"),
        marked(
            "Nothing was changed. Reload the page and try again. If that doesn't help, allow cookies for this site."
        ),
    ),
    "internal_error": (marked("Something went wrong"), marked("We logged the error. Please try again.")),
    "invalid_token": (
        marked("This link no longer works"),
        marked("It may have expired or been used already."),
    ),
    "not_found": (marked("Page not found"), marked("The address may be mistyped, or the page no longer exists.")),
    "oauth_error": (marked("That didn't work"), marked("Go back and start again.")),
    "other_user_signed_in": (
        marked("You are signed in to another account"),
        marked("Sign out first, then sign in again."),
    ),
    "overloaded": (marked("We are busy at the moment"), marked("Please try again in a moment.")),
    "own_account": (marked("That didn't work"), marked("This is your own account. Change it on your account page.")),
    "passkey_error": (marked("The passkey was not accepted"), marked("Try again, or sign in another way.")),
    "rate_limited": (marked("Too many attempts"), marked("Wait a while, then try again.")),
    "revoked": (
        marked("You were signed out in the meantime"),
        marked("All sessions of this account ended after you started. Nothing was changed. Sign in and start again."),
    ),
    "cache_unavailable": (
        marked("This may take a minute to take effect"),
        marked("Your change was saved. Please try again in a moment to make sure that it applies everywhere."),
    ),
    "throttled": (marked("We are busy at the moment"), marked("Please try again in a moment.")),
    "unavailable": (marked("We are busy at the moment"), marked("Please try again in a moment.")),
    "version_conflict": (
        marked("This was changed elsewhere at the same time"),
        marked("Your change was not saved. Reload the page and try again."),
    ),
    "error": (marked("That didn't work"), marked("Go back and try again.")),
}

_TOO_LATE = marked("Nothing was changed: it took too long or was started in another browser. Try again.")
_UNREACHED = marked("Nothing was changed: %(name)s can't be reached or sent an invalid answer. Try again later.")
# By the reason of an OAuthError, or an error's code.
_FAILURES = {
    "denied": marked("Nothing was changed: %(name)s was not allowed to tell us who you are."),
    "state": _TOO_LATE,
    "browser": _TOO_LATE,
    "provider": _UNREACHED,
    "id_token": _UNREACHED,
    "email_missing": marked(
        "%(name)s didn't tell us your email address. Sign in another way; then you can connect the two in your account."
    ),
    "email_unverified": marked(
        "%(name)s hasn't verified your email address. Sign in another way; then you can connect the two in your "
        "account."
    ),
    "confirm": marked(
        "Check your email: we sent a link to the address that %(name)s gave us. Open it in this browser."
    ),
    "no_account": marked(
        "No account here is connected to it. Sign in another way; then you can connect the two in your account."
    ),
    "disconnected": marked(
        "You disconnected %(name)s from your account here. Sign in another way, then connect it again."
    ),
    "refused": marked("You can't sign in here with this account. Choose another one, or sign in another way."),
    "already_exists": marked("Nothing was changed: this account is connected to another user."),
    "too_many_identities": marked("Nothing was changed: your account can't have any more ways to sign in."),
    "revoked": marked("Nothing was changed: all devices were signed out in the meantime. Sign in and start again."),
    "account_locked": marked("This account is locked. Contact the operator of this site."),
    "rate_limited": marked("There were too many attempts. Wait a while, then try again."),
}
_FAILURE = marked("Something went wrong, and nothing was changed. Try again.")

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
        return gettext("Unknown browser")
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, user_agent)), None)
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, user_agent)), None)
    if browser is None:
        return user_agent[:60]
    return browser if system is None else gettext("%(browser)s on %(system)s", browser=browser, system=system)


def provider_failure(reason: str, name: str) -> str:
    """What to say when a sign-in through a provider failed.

    Args:
        reason: ``OAuthError.reason`` or an error's code. It comes from a URL, so it can be anything.
        name: The provider's name for people.
    """
    text = gettext(_FAILURES.get(reason, _FAILURE), name=name)
    return text[:1].upper() + text[1:]
