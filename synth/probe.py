"""Check the URL of a probe: an HTTP request to the container itself, from inside its network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

METHOD = "GET"
MAX_URL = 2048
HTTP_PORT = 80

# What http.client would send as it stands: nothing that ends a line or a word.
_PATH = re.compile(r"/[!-~]*", re.ASCII)


class ProbeTarget(NamedTuple):
    """Where a probe asks, and for what; ``path`` has the query."""

    host: str
    port: int
    path: str


def parse_probe(url: str) -> ProbeTarget:
    """Return where a probe's URL leads; raises ``ValueError`` that says what is wrong with it.

    Only the container's own loopback: a recording is a file from somewhere, and must not make
    us ask other machines.
    """
    if len(url) > MAX_URL:
        raise ValueError("the URL is too long")
    parts = urlsplit(url)
    if parts.scheme != "http":
        raise ValueError("not an http:// URL")
    if parts.username is not None or parts.fragment:
        raise ValueError("a URL with a user or a fragment")
    host = parts.hostname or ""
    if host != "localhost" and not _is_loopback(host):
        raise ValueError("not the container itself: write localhost")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PATH.fullmatch(path):
        raise ValueError("the path has characters that have to be escaped")
    return ProbeTarget(host, parts.port or HTTP_PORT, path)


def probe_problem(command: Sequence[str]) -> str:
    """Return what is wrong with a probe's command, ``("GET", URL)``; empty if nothing is."""
    if len(command) != 2 or command[0] != METHOD:  # noqa: PLR2004
        return f"a probe is {METHOD} and a URL"
    try:
        parse_probe(command[1])
    except ValueError as error:
        return str(error)
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
