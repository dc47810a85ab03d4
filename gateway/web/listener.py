"""Listening TCP sockets, with an error that the admin can act on."""

import errno
import socket

from gateway.errors import TrestleError

BACKLOG = 128


def listening_socket(host: str, port: int, keys: tuple[str, str]) -> socket.socket:
    """Listens on an IP address. `keys` names address and port in the configuration."""
    address_key, port_key = keys
    dual = host == "::"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"port {port}/tcp is taken ({port_key} in the configuration)"
        elif error.errno == errno.EACCES:
            text = f"port {port}/tcp needs more rights than we have ({port_key})"
        elif error.errno == errno.EADDRNOTAVAIL:
            text = f"{host} is no address of this machine ({address_key} in the configuration)"
        else:
            text = f"cannot listen on {host} port {port}/tcp ({address_key}): {error.strerror}"
        raise TrestleError(text) from None
