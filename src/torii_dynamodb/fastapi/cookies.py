"""The cookies: their names, and how they are set."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from starlette.responses import Response

from torii_dynamodb.fastapi.settings import WebConfig

__all__ = ["Cookies"]


class Cookies:
    """Names and sets the cookies. All are ``HttpOnly``, of the whole site and of this host alone.

    Attributes:
        session: The session token.
        device: Proof that this browser signed the user in before.
        oauth: Binds a sign-in through a provider to this browser.
        form: What form tokens are made of before there is a session.

    Args:
        config: How they are set.
    """

    def __init__(self, config: WebConfig) -> None:
        self._config = config
        prefix = "__Host-" if config.secure_cookies else ""
        self.session = prefix + config.cookie_name
        self.device = f"{self.session}-device"
        self.oauth = f"{self.session}-oauth"
        self.form = f"{self.session}-form"

    def set(self, response: Response, name: str, value: str, *, until: datetime, now: datetime) -> None:
        """Set one. It lasts until then, for whole seconds."""
        # The binding cookie must come along when the provider sends the browser back, which is a cross-site navigation:
        # "strict" would keep it away. The others follow the configuration.
        same_site: Literal["lax", "strict", "none"] = self._config.same_site
        if name == self.oauth and same_site == "strict":
            same_site = "lax"
        response.set_cookie(
            name,
            value,
            max_age=max(int((until - now).total_seconds()), 0),
            path="/",
            secure=self._config.secure_cookies,
            httponly=True,
            samesite=same_site,
        )

    def delete(self, response: Response, name: str) -> None:
        """Remove one."""
        response.delete_cookie(
            name, path="/", secure=self._config.secure_cookies, httponly=True, samesite=self._config.same_site
        )
