"""Reading cookies, in an application on any framework."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["read_cookie"]

_VALUE = re.compile(rb"[!#-+\--:<-\[\]-~]+")  # cookie-octet (RFC 6265, 4.1.1); ours are never quoted


def read_cookie(headers: Iterable[bytes | str], name: str) -> str | None:
    r"""Return the value of one of our cookies, read strictly.

    A browser writes ``name=value`` pairs with ``"; "`` between them. Only that space (or a tab) is dropped here, and
    names are compared byte by byte. Frameworks strip everything that is white space in Unicode, such as ``\xa0``
    and ``\x1c``: a subdomain may set ``"\xa0__Host-torii"``, to which browsers do not apply the rules of ``__Host-``,
    and frameworks read it as ``__Host-torii``.

    A cookie with two different values counts as absent. There is no way to know which of them this site set (their
    order depends on path and age, which an attacker can choose), so neither is used. The request is not refused: pages
    still work, and nobody is signed in.

    Args:
        headers: All ``Cookie`` headers; HTTP/2 may split them (RFC 9113, 8.2.3). Strings as in WSGI
            (``environ["HTTP_COOKIE"]``, PEP 3333), or bytes.
        name: The cookie's name.

    Returns:
        ``None`` if there is none, if its value is empty, quoted or otherwise not one of ours, or if there are several
        values.
    """
    wanted = name.encode("ascii")
    values = {
        value.rstrip(b" \t")
        for header in headers
        for pair in (header.encode("latin-1", "replace") if isinstance(header, str) else header).split(b";")
        for found, equals, value in [pair.lstrip(b" \t").partition(b"=")]
        if equals and found == wanted
    }
    value = values.pop() if len(values) == 1 else b""
    return value.decode("ascii") if _VALUE.fullmatch(value) else None
