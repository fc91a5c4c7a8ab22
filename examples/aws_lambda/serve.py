"""Try the handler on this machine: an HTTP server that invokes it as a function URL does.

    python serve.py [port]

It needs the environment of the handler (``TORII_SECRET``) and that of a local engine (``torii-dynamodb local``).
"""

from __future__ import annotations

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

from handler import handler


class Invocation(BaseHTTPRequestHandler):
    """One request, one invocation: HTTPServer handles one at a time, as a container of Lambda does."""

    def invoke(self) -> None:
        """Make the event, call the handler, and send what it returns."""
        answer = json.loads(json.dumps(handler(json.loads(json.dumps(self.event())), None)))
        body = answer.get("body") or ""
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        self.send_response(answer["statusCode"])
        for name, value in answer.get("headers", {}).items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        for cookie in answer.get("cookies", []):
            self.send_header("set-cookie", cookie)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = invoke  # noqa: N815 - the names that the base class calls

    def event(self) -> dict[str, Any]:
        """The request in payload format 2.0."""
        url = urlsplit(self.path)
        headers = {name.lower(): ",".join(self.headers.get_all(name, [])) for name in self.headers}
        cookies = [pair.strip() for pair in headers.pop("cookie", "").split(";") if pair.strip()]
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": url.path,
            "rawQueryString": url.query,
            "headers": headers,
            **({"cookies": cookies} if cookies else {}),
            **({"body": base64.b64encode(body).decode()} if body else {}),
            "isBase64Encoded": bool(body),
            "requestContext": {
                "domainName": "local.lambda-url.eu-central-1.on.aws",
                "http": {
                    "method": self.command,
                    "path": url.path,
                    "sourceIp": self.client_address[0],
                    "userAgent": headers.get("user-agent", ""),
                },
                "stage": "$default",
            },
        }


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    with HTTPServer(("127.0.0.1", port), Invocation) as server:
        print(f"http://localhost:{port}", flush=True)
        server.serve_forever()
