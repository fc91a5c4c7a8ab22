"""A real OpenID provider in its own process, and a browser that signs in there."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

MODULES = Path(__file__).parents[2] / ".engines" / "npm" / "node_modules"
_SCRIPT = Path(__file__).with_name("provider.mjs")
_START_SECONDS = 30.0


class RealProvider:
    """oidc-provider on a free port of 127.0.0.1. A context manager that starts and stops it.

    Attributes:
        issuer: Its URL.

    Args:
        clients: Its clients, as metadata of OpenID Connect Dynamic Client Registration.
    """

    def __init__(self, clients: Sequence[Mapping[str, Any]]) -> None:
        self.issuer = ""
        self._clients = clients
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        node = shutil.which("node")
        if node is None or not (MODULES / "oidc-provider").is_dir():
            pytest.fail("the OpenID provider is not installed: run 'make setup' (needs Node.js with npm)")
        process = subprocess.Popen(
            [node, str(_SCRIPT), str(MODULES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TEST_PROVIDER_KEYS": json.dumps(_keys())},
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"clients": list(self._clients)}) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
        self.issuer = process.stdout.readline().strip() if ready else ""
        if not self.issuer:
            self.stop()
            pytest.fail(f"the OpenID provider did not start within {_START_SECONDS:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process and reap it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def sign_in(
    url: str,
    *,
    sub: str = "subject-1",
    email: str | None = "ada@example.com",
    verified: bool = True,
    name: str | None = "Ada",
    deny: bool = False,
) -> dict[str, str]:
    """Follow the sign-in at the provider as a browser does.

    Returns:
        The parameters that the browser brings back to the application.
    """
    form = {"answer": "deny" if deny else "allow", "sub": sub}
    if email is not None:
        form["email"] = email
    if name is not None:
        form["name"] = name
    if verified:
        form["email_verified"] = "true"
    issuer = url.partition("/auth?")[0]
    with httpx.Client(timeout=10) as browser:
        answer = browser.get(url)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if answer.is_redirect:
                to = urljoin(str(answer.url), answer.headers["location"])
                if not to.startswith(issuer + "/"):
                    return {key: values[0] for key, values in parse_qs(urlsplit(to).query).items()}
                answer = browser.get(to)
            elif "/interaction/" in str(answer.url) and answer.request.method == "GET" and answer.status_code == 200:
                answer = browser.post(answer.url, data=form)
            elif answer.status_code == 200 and 'method="post"' in answer.text:
                # response_mode=form_post: a page with a form that submits itself.
                return dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.text))
            else:
                raise AssertionError(f"the provider answered {answer.status_code}: {answer.text[:300]}")
    raise AssertionError("the provider keeps redirecting the browser")


@cache
def _keys() -> list[dict[str, Any]]:
    """The provider's signing keys, one of each type."""
    algorithms = jwt.algorithms
    made = [
        algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True),
        algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
        algorithms.OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True),
    ]
    return [
        {**{key: value for key, value in jwk.items() if key != "key_ops"}, "kid": f"key-{number}"}
        for number, jwk in enumerate(made)
    ]
