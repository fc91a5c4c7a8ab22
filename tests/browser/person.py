"""What a person does on the pages."""

from __future__ import annotations

from playwright.sync_api import CDPSession, Page, expect
from tests.browser.application import Application

PASSWORD = "correct horse battery staple"


class Person:
    """A person with an address and a password.

    Args:
        app: The application.
        email: Their address.
    """

    def __init__(self, app: Application, email: str) -> None:
        self.app = app
        self.email = email
        self.password = PASSWORD

    def sign_up(self, page: Page, name: str = "Ada Lovelace") -> None:
        """Sign up, open the link in the mail, and confirm the address."""
        page.goto("/auth/sign-up")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Email address").fill(self.email)
        page.get_by_label("Password", exact=True).fill(self.password)
        page.get_by_role("button", name="Sign up").click()
        expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
        page.goto(self.app.link(self.email, "verify_email"))
        page.get_by_role("button", name="Verify address").click()
        expect(page.locator("#notice")).to_contain_text("is verified")

    def sign_in(self, page: Page, password: str | None = None) -> None:
        """Fill in the sign-in page and submit it."""
        if "/auth/sign-in" not in page.url:
            page.goto("/auth/sign-in?next=/auth/account")
        page.get_by_label("Email address").fill(self.email)
        page.get_by_label("Password", exact=True).fill(password or self.password)
        page.get_by_role("button", name="Sign in", exact=True).click()

    def exist(self, name: str = "Ada Lovelace") -> None:
        """Create an account with a verified address through the services, for flows that begin later."""

        async def make() -> None:
            torii = self.app.torii
            user = await torii.password.register(self.email, self.password, name=name)
            await torii.storage.mark_email_verified(user.id, email=user.email)

        self.app.run(make())

    def arrive(self, page: Page) -> None:
        """Create an account, sign in, and open the account page."""
        self.exist()
        self.sign_in(page)
        on_account(page)


def on_account(page: Page) -> None:
    """Expect the account page."""
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()


def on_sign_in(page: Page) -> None:
    """Expect the sign-in page, so nobody is signed in."""
    page.goto("/auth/account")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def authenticator(page: Page, *, autofill: bool = False) -> tuple[CDPSession, str]:
    """Add a platform authenticator with discoverable credentials that always agrees.

    It also agrees when a page only lets the browser offer passkeys, so that does not happen without ``autofill``.
    """
    if not autofill:
        page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, made["authenticatorId"]
