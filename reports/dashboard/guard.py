"""Who may talk to the dashboard: its own pages, under its own address.

Any page that a browser shows may send requests to this machine, and a name of its own may be made to point here (DNS
rebinding). So a request must name an address of this machine, and one that writes must come from the dashboard's own
pages, or from a program that is no browser.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
READS = ("GET", "HEAD", "OPTIONS")


def guarded(app: App, host: str) -> App:
    """The app, which refuses what is not meant for it with a 403.

    Args:
        app: A WSGI application.
        host: The address that it listens on, as it was asked for.
    """
    names = {"localhost", host.lower(), socket.gethostname().lower()}

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        asked = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN")
        foreign = origin is not None and origin.lower() != f"http://{asked}".lower()
        if not _is_ours(asked, names) or (foreign and environ["REQUEST_METHOD"] not in READS):
            start("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"The dashboard answers only to its own address and its own pages.\n"]

        def closed(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start(status, [h for h in headers if h[0].lower() != "access-control-allow-origin"], *more)

        return app(environ, closed)

    return answer


def _is_ours(asked: str, names: set[str]) -> bool:
    """Whether a Host header names an IP address, which nobody else can point here, or one of our names."""
    try:
        name = (urlsplit(f"//{asked}").hostname or "").lower()
    except ValueError:
        return False
    if name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
