"""Proxies and certificates between here and a server, from variables.

https://requests.readthedocs.io/en/latest/user/advanced/#proxies
"""

import importlib.util
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy


class NetworkSettingError(Exception):
    """A variable of proxies or certificates is malformed; the message names it."""


def proxy_for(url: str) -> str | None:
    """The names of the variables with the proxy for the address; None: there is none.

    Raises NetworkSettingError if the proxy's address cannot be used.
    """
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    names = " and ".join(
        sorted(
            name
            for name, value in os.environ.items()
            if name.lower().endswith("_proxy") and value == proxy
        )
    )
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, _, scheme = parts.hostname, parts.port, parts.scheme
    except ValueError:
        host, scheme = None, ""
    # The value is not shown: it may hold a password.
    if not host or scheme not in ("http", "https", "socks4", "socks5", "socks5h"):
        raise NetworkSettingError(
            f"{names} is not the address of a proxy, like http://host:3128"
        )
    if scheme.startswith("socks") and not importlib.util.find_spec("socks"):
        raise NetworkSettingError(
            f"{names} is a SOCKS proxy, which needs the package pysocks:"
            " uv pip install pysocks"
        )
    return names or "the system's settings"


def check_certificates(given: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Raises NetworkSettingError if one of the variables names no certificates."""
    for name in names:
        if not (path := given.get(name)):
            continue
        try:
            if Path(path).is_dir():
                next(Path(path).iterdir(), None)
            else:
                ssl.create_default_context(cafile=path)
        except (OSError, ValueError) as error:
            reason = (
                "does not exist"
                if isinstance(error, FileNotFoundError)
                else (
                    "cannot be read"
                    if isinstance(error, PermissionError)
                    else "holds no certificates (PEM)"
                )
            )
            raise NetworkSettingError(f"{name}: {path} {reason}") from error
