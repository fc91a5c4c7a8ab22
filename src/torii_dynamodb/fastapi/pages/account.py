"""The account: profile, email address, password, and deletion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb._rules.second_factor import factor_kinds
from torii_dynamodb.errors import AccountLocked, InvalidCredentials, RateLimited, ValidationError
from torii_dynamodb.fastapi.pages.email_codes import send_code
from torii_dynamodb.fastapi.pages.forms import FieldError, field_error, refusal, wait_text
from torii_dynamodb.fastapi.pages.providers import failure_of
from torii_dynamodb.fastapi.pages.render import Redirected, Site
from torii_dynamodb.fastapi.pages.words import provider_label
from torii_dynamodb.fastapi.web import Caller
from torii_dynamodb.languages import gettext, marked
from torii_dynamodb.models import Factor, Passkey

__all__ = ["Account", "add"]


class Account:
    """What the routes of the account share.

    Args:
        site: The pages.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.web = site.web
        self.torii = site.torii

    def sign_in_first(self, back: str | None = None) -> Redirected:
        """Return the redirect to the sign-in page, which leads back from there."""
        return Redirected(self.site.redirect(self.site.path("sign-in", next=back or self.site.path("account"))))

    async def who(self, request: Request, *, recent: bool = False, back: str | None = None) -> Caller:
        """Return who is signed in by a cookie.

        Args:
            request: The request.
            recent: Whether the sign-in must be recent, with a second factor if the user has one.
            back: The path to come back to after a sign-in; ``None``: the account.

        Raises:
            Redirected: They have to sign in, or to give their second factor, first.
        """
        found = await self.site.person(request)
        if found is None:
            raise self.sign_in_first(back)
        if recent:
            self.site.require_proof(found, back or self.site.path("account"))
        return found

    async def changing(self, request: Request, *, recent: bool = False) -> tuple[Caller, dict[str, str]]:
        """Who sent a form, and its fields.

        Raises:
            Redirected: They have to sign in first.
        """
        form = await self.site.form(request)
        return await self.who(request, recent=recent), form

    def done(self, notice: str) -> Response:
        """Redirect to the account, which shows the notice."""
        return self.site.redirect(self.site.path("account", notice=notice))

    async def show(
        self,
        request: Request,
        found: Caller,
        *,
        errors: Sequence[FieldError] = (),
        status: int = 200,
        **typed: Any,
    ) -> Response:
        """The account page."""
        user, torii = found.user, self.torii
        sessions = await torii.list_sessions(user.id)
        linked = await torii.storage.list_oauth_accounts_for_user(user.id)
        held = {account.provider for account in linked}
        offered = [provider.name for provider in torii.oauth_providers if provider.name not in held]
        passkeys: list[Passkey] = await torii.storage.list_passkeys_for_user(user.id) if torii.takes_passkeys else []
        pending = await torii.email_verification.pending_change(user) if torii.sends_mail else None
        proof = self.site.proof_page(found, self.site.path("account"))
        factors: list[Factor] = await torii.storage.list_factors_for_user(user.id, user=user) if user.factors else []
        return await self.site.page(
            request,
            "account",
            signed_in=found,
            errors=errors,
            status=status,
            user=user,
            recent=proof is None,
            proof=proof,
            sends_mail=torii.sends_mail,
            pending=pending,
            sessions=[session for session in sessions if session.id != found.session.id],
            linked=[(account, provider_label(account.provider)) for account in linked],
            offered=[(name, provider_label(name)) for name in offered],
            takes_passkeys=torii.takes_passkeys,
            passkeys=[(passkey.credential_id.hex(), passkey) for passkey in passkeys],
            provider_failed=failure_of(self.site, request),
            takes_second_factors=torii.takes_second_factors,
            factor_kinds=factor_kinds(user),
            apps=[factor for factor in factors if factor.kind == "totp"],
            codes_left=sum(factor.codes_left for factor in factors),
            typed=typed,
        )


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router."""
    account = Account(site)
    web, torii = site.web, site.torii

    @router.get("/account")
    async def page(request: Request) -> Response:
        return await account.show(request, await account.who(request))

    @router.post("/account/profile")
    async def profile(request: Request) -> Response:
        found, form = await account.changing(request)
        name = form.get("name", "").strip()
        try:
            if (name or None) != found.user.name:
                await torii.update_user(found.user, name=name or None)
        except ValidationError as error:
            errors = [field_error(error, {"name": ("profile-name", marked("The name"))})]
            return await account.show(request, found, errors=errors, status=422, name=name)
        return account.done("profile-saved")

    @router.post("/account/password")
    async def password(request: Request) -> Response:
        found, form = await account.changing(request)
        new, user = form.get("new_password", ""), found.user
        if not user.has_password:
            site.require_proof(found, site.path("account"))
        names = {"password": ("new-password", marked("The new password"))}
        if user.has_password and not form.get("current_password"):
            errors = [FieldError("current-password", gettext("Enter your current password."))]
            try:
                await torii.password.check_policy(new, email=user.email)
            except ValidationError as error:
                errors.append(field_error(error, names))
            return await account.show(request, found, errors=errors, status=422)
        try:
            await web.limit(request)
            if user.has_password:
                current = form.get("current_password", "")
                user = await torii.password.change_password(
                    user.id, current, new, user=user, browser=web.browser(request)
                )
            else:
                user = await torii.password.set_password(user.id, new, user=user)
        except (ValidationError, AccountLocked, RateLimited) as error:
            errors, status = refusal(error, names, wait_at="current-password" if user.has_password else "new-password")
        except InvalidCredentials:
            errors, status = [FieldError("current-password", gettext("The current password is wrong."))], 422
        else:
            response = account.done("password-changed")
            await web.renew_session(request, response, found, user, method="password")
            return response
        return await account.show(request, found, errors=errors, status=status)

    @router.get("/account/delete")
    async def ask_to_delete(request: Request) -> Response:
        found = await account.who(request, recent=True, back=site.path("account/delete"))
        return await site.page(request, "account_delete", signed_in=found, user=found.user)

    @router.post("/account/delete")
    async def delete(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        if form.get("confirm") != "yes":
            errors = [FieldError("confirm", gettext("Tick the box to confirm that you want to delete your account."))]
            return await site.page(
                request, "account_delete", signed_in=found, user=found.user, errors=errors, status=422
            )
        await torii.delete_user(found.user.id, user=found.user)
        response = site.redirect(site.path("sign-in", notice="account-deleted"))
        web.forget_session(response)
        return response

    if not torii.sends_mail:
        return

    @router.post("/account/verification")
    async def send_verification(request: Request) -> Response:
        found, form = await account.changing(request)
        binding = web.held_binding(request)
        try:
            await web.limit(request)
            if form.get("way") == "code":
                return await send_code(site, found.user.email_as_given, kind="verify", binding=binding)
            await torii.email_verification.send(found.user, browser_binding=binding)
        except RateLimited as error:
            errors = [FieldError("send-verification", wait_text(error))]
            return await account.show(request, found, errors=errors, status=429)
        return account.done("verification-sent")

    @router.post("/account/email")
    async def email(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        new_email = form.get("new_email", "").strip()
        try:
            await web.limit(request)
            await torii.email_verification.send_change(found.user, new_email, session=found.session)
        except (ValidationError, RateLimited) as error:
            errors, status = refusal(
                error, {"new_email": ("new-email", marked("The new address"))}, wait_at="new-email"
            )
        else:
            return account.done("email-change-sent")
        return await account.show(request, found, errors=errors, status=status, new_email=new_email)

    @router.post("/account/email/cancel")
    async def cancel(request: Request) -> Response:
        found, _ = await account.changing(request)
        cancelled = await torii.email_verification.cancel_change(found.user.id)
        return account.done("email-change-cancelled") if cancelled else site.redirect(site.path("account"))
