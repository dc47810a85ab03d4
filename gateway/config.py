"""What the admin decides: read once, checked whole, then a frozen value.

`config/gateway.yaml` says the same for people, with every default. A field's reader, in its
metadata, turns the text of the file into the value or says what was expected.
"""

# ruff: noqa: RUF009  (`_setting` is dataclasses.field with a reader: nothing mutable is shared)

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import ConfigError
from gateway.iceuri import stun_uri, turn_uri
from gateway.yamltext import (
    MIN_KEY,
    ConfigErrors,
    Problems,
    Section,
    Value,
    choice,
    existing_file,
    existing_folder,
    file_path,
    new_folder,
    optional,
    read,
    secret,
    switch,
    text,
    whole,
)

MIN_RTP_PORTS = 10

SOUNDS = Path(__file__).parent / "media" / "sounds"
"""Our own prompts: a folder for each language."""

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to."""

    host: str
    port: int


def _setting(default: D, reader: Callable[[Value], T], *, secret: bool = False) -> D | T:
    """A field with its reader; a secret never shows in a repr."""
    return field(default=default, metadata={"reader": reader}, repr=not secret)


def _secret(value: Value) -> str | None:
    return value.secret()


def _token(value: Value) -> str | None:
    """A secret that nobody guesses, and that a browser can send in a header."""
    token = value.secret()
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,128}", token):
        raise value.error("expected 16 to 128 of A-Z a-z 0-9 . _ ~ + / = - in the secret")
    return token


def _address(value: Value) -> str:
    """An IP address; names are refused, since they can mean several."""
    try:
        return str(ip_address(value.text()))
    except ValueError:
        raise value.error(f"expected an IP address, not '{value.text()}'") from None


def _network(value: Value) -> IPv4Network | IPv6Network:
    """An IP address, or a network of them."""
    try:
        return ip_network(value.text())
    except ValueError:
        expected = "an IP address or a network such as 192.0.2.0/24"
        raise value.error(f"expected {expected}, not '{value.text()}'") from None


def _host(value: Value) -> str:
    """A host name or an address, without a port."""
    host = value.text().lower()
    if any(sign in host for sign in "/@ ,;") or (":" in host and not host.startswith("[")):
        raise value.error(f"expected a host name, not '{host}'")
    return host


def _endpoint(value: Value) -> Endpoint:
    host, colon, port = value.text().rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port[:9]) < 65_536):
        raise value.error(f"expected host:port, not '{value.text()}'")
    return Endpoint(host.strip("[]"), int(port))


def _port_range(value: Value) -> range:
    """`20000-29999`, both ends included; RTP takes an even port and RTCP the next one."""
    low, dash, high = value.text().partition("-")
    if not (dash and all(part.isascii() and part.isdigit() for part in (low, high))):
        raise value.error(f"expected two ports such as 20000-29999, not '{value.text()}'")
    ports = range(int(low[:9]), int(high[:9]) + 1)
    if not 1024 <= ports.start < ports.stop <= 65_536:
        raise value.error(f"expected two ports from 1024 to 65535, low-high, not '{value.text()}'")
    if len(ports) < MIN_RTP_PORTS:
        raise value.error(
            f"{value.text()} holds {len(ports)} ports: expected at least {MIN_RTP_PORTS},"
            " a phone takes two, and a pair rests after its call"
        )
    return ports


def _seconds(value: Value) -> float:
    try:
        seconds = float(value.text())
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:
        raise value.error(f"expected seconds from 1 to 86400, not '{value.text()}'")
    return seconds


def _several(one: Callable[[Value], T]) -> Callable[[Value], tuple[T, ...]]:
    """One or a list; the word `none` for none."""

    def reader(value: Value) -> tuple[T, ...]:
        if value.is_word("none", "off"):
            return ()
        return tuple(one(item) for item in value.items())

    return reader


def _uris(check: Callable[[str], str]) -> Callable[[Value], tuple[str, ...]]:
    def one(value: Value) -> str:
        try:
            return check(value.text())
        except ValueError as error:
            raise value.error(str(error)) from None

    return _several(one)


def _language(value: Value) -> str:
    """A language tag as a folder may be called; RFC 5646 in lower case."""
    tag = value.text().lower()
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", tag):
        raise value.error(f"expected a language such as en or pt-br, not '{value.text()}'")
    return tag


_PORT = whole(0, 65_535)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The page and the signalling socket of browsers."""

    listen: str = _setting("0.0.0.0", _address)
    """The local address to listen on; `::` takes IPv6 and IPv4."""
    port: int = _setting(8080, _PORT)
    """HTTP; browsers give the microphone here to http://localhost only. 0: any free port."""
    tls_port: int | None = _setting(8443, optional(_PORT))
    """HTTPS, for browsers on other machines. None: no HTTPS."""
    certificate: Path | None = _setting(None, optional(existing_file))
    """PEM file with the certificate and its chain. None: a generated one, kept in `state_dir`."""
    key: Path | None = _setting(None, optional(existing_file))
    """PEM file with the key of `certificate`."""
    proxies: tuple[IPv4Network | IPv6Network, ...] = _setting((), _several(_network))
    """Reverse proxies in front of us: whom they say that they speak for is believed."""
    monitor_token: str | None = _setting(None, _token, secret=True)
    """What lets people see the monitor. None: a generated one, kept in `state_dir`."""


@dataclass(frozen=True, slots=True)
class IceConfig:
    """How browsers find a way to each other through NATs and firewalls."""

    stun: tuple[str, ...] = _setting((), _uris(stun_uri))
    """They tell a browser its address on the other side of its NAT; RFC 7064."""
    turn: tuple[str, ...] = _setting((), _uris(turn_uri))
    """They pass media on where no direct way is open; RFC 7065."""
    secret: str | None = _setting(None, _secret, secret=True)
    """Shared with the TURN servers (coturn: static-auth-secret): passwords are made with it."""
    lifetime: float = _setting(86_400.0, _seconds)
    """Seconds that such a password is good; pages in a room get the next one in time."""
    username: str | None = _setting(None, optional(text))
    """For TURN servers that share no secret: one for all."""
    password: str | None = _setting(None, _secret, secret=True)
    """Of `username`. Every page in a room can read it."""


@dataclass(frozen=True, slots=True)
class SipConfig:
    """Phones."""

    enabled: bool = _setting(True, switch)
    listen: str = _setting("0.0.0.0", _address)
    """The local address to listen on."""
    port: int = _setting(5060, _PORT)
    """For UDP and TCP alike. 0: any free port."""
    host: str | None = _setting(None, optional(_host))
    """What phones reach us by, for Contact. None: the local address of each call's own flow."""
    udp: bool = _setting(True, switch)
    tcp: bool = _setting(True, switch)


@dataclass(frozen=True, slots=True)
class XmppConfig:
    """XMPP clients: as a component of an XMPP server, of our own or of somebody else's."""

    enabled: bool = _setting(True, switch)
    server: Endpoint | None = _setting(None, optional(_endpoint))
    """The component port of a server that runs already. None: Trestle runs a Prosody itself."""
    component: str = _setting("rooms.localhost", _host)
    """The component's domain: people call `<room>@` this."""
    secret: str | None = _setting(None, _secret, secret=True)
    """Shared with `server`, which needs it; generated for a Prosody of our own."""
    domain: str = _setting("localhost", _host)
    """The domain of the embedded Prosody's accounts."""
    listen: str = _setting("0.0.0.0", _address)
    """Where the embedded Prosody listens for clients."""
    c2s_port: int = _setting(5222, whole(1, 65_535))
    """Of the embedded Prosody, for clients."""
    component_port: int = _setting(5347, whole(1, 65_535))
    """Of the embedded Prosody, for ourselves: on the loopback interface only."""
    http_port: int = _setting(5280, whole(1, 65_535))
    """Of the embedded Prosody, WebSocket and BOSH: on the loopback interface only."""


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """Sound and pictures of those whose media ends at the gateway."""

    rtp_ports: range = _setting(range(20_000, 30_000), _port_range)
    """UDP ports for plain RTP: two for each phone."""
    address: str | None = _setting(None, optional(_address))
    """What phones shall send to. None: the local address that reaches the phone."""
    rtp_timeout: float = _setting(60.0, _seconds)
    """A phone that sends nothing for so many seconds, and is not on hold, is gone."""
    ice_port: int = _setting(0, whole(0, 65_535))
    """The UDP port of all XMPP clients and browsers, the next ones with more workers; 0: any."""
    workers: int = _setting(1, whole(0, 64))
    """Processes that mix; 0: the gateway's own, which is for tests and very small machines."""
    language: str = _setting("en", _language)
    """Of the prompts; what it lacks is said in English."""
    sounds: Path | None = _setting(None, optional(existing_folder))
    """Prompts of the admin's own, in a folder for each language; they come before ours."""
    recordings: Path | None = _setting(None, optional(new_folder))
    """The folder for recordings. None: `recordings` in `state_dir`."""


@dataclass(frozen=True, slots=True)
class ConferenceConfig:
    """Rooms, and the trees that carry their streams."""

    fanout: int = _setting(2, whole(1, 16))
    """How many children a peer feeds at most in one tree."""
    policy: str = _setting(
        "sparse", choice("sparse", "breadth-first", "binary-tree", "linked-list")
    )
    """How the trees are laid: so that all share few connections, each for itself as shallow as can
    be, or for demonstrations. The last two have a fanout of their own."""
    direct: int = _setting(4, whole(0, 16))
    """Up to so many browsers each sends to each, in sparse rooms: trees of one hop."""
    max_participants: int = _setting(100, whole(1, 10_000))
    """In one room."""
    announcements: bool = _setting(True, switch)
    """Phones and XMPP clients hear who is alone, and, in small rooms, that somebody comes or goes.
    That a conference is recorded is said in any case."""
    recording: str = _setting("off", choice("off", "anyone"))
    """Who may record a conference from the page."""
    publishing: str = _setting("everyone", choice("everyone", "moderators"))
    """What those who join may publish without being asked: everything, or only moderators may."""
    moderator: str = _setting("first", choice("first", "key", "nobody"))
    """Who moderates: the first in a browser (then the next), only those with the key, nobody."""
    moderator_key: str | None = _setting(None, secret(MIN_KEY), secret=True)
    """Who joins with it moderates too; a room of the dial plan can have its own."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file; its fields are the file's sections."""

    web: WebConfig = field(default_factory=WebConfig)
    ice: IceConfig = field(default_factory=IceConfig)
    sip: SipConfig = field(default_factory=SipConfig)
    xmpp: XmppConfig = field(default_factory=XmppConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    conference: ConferenceConfig = field(default_factory=ConferenceConfig)
    dialplan: Path | None = _setting(None, optional(existing_file))
    """What addresses mean. None: the embedded plan, as in `config/dialplan.yaml`."""
    state_dir: Path = field(
        default_factory=lambda: Path(os.path.expanduser("~/.local/state/trestle")),
        metadata={"reader": file_path},
    )
    """Where certificates, recordings and the embedded Prosody's data are kept."""
    log_level: str = _setting("info", choice("debug", "info", "warning", "error"))


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file; the defaults without one.

    Raises `ConfigErrors` with everything that is wrong in the file. `environ` serves `!env`.
    """
    if path is None:
        return Config()
    problems = Problems()
    top = read(path, os.environ if environ is None else environ, problems)
    config: Config | None = None
    try:
        config = _build(Config, top)
    except ConfigError as error:
        problems.add(error)
    problems.raise_any()
    assert config is not None
    # Last: the default that stands in for a faulty port would only collide by accident.
    _check_ports(config, top)
    return config


def _build(kind: type[T], value: Value) -> T:
    """A section's value; a nested dataclass is a section in turn."""
    known: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]
    section = value.section([each.name for each in known])
    made = {each.name: section.read(each.name, _reader(each), _default(each)) for each in known}
    built = kind(**made)
    check = _CHECKS.get(kind)
    if check is not None:
        check(built, section)
    return built


def _reader(each: Field[Any]) -> Callable[[Value], Any]:
    if "reader" in each.metadata:
        reader: Callable[[Value], Any] = each.metadata["reader"]
        return reader
    nested = each.default_factory
    assert isinstance(nested, type)
    return lambda value: _build(nested, value)


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


# --- what no field can know alone -----------------------------------------------------------


def _check_web(web: WebConfig, section: Section) -> None:
    for one, other in (("certificate", "key"), ("key", "certificate")):
        given = section.found.get(one)
        if given is not None and getattr(web, one) and not getattr(web, other):
            raise given.error(f"needs '{other}' beside it")


def _check_ice(ice: IceConfig, section: Section) -> None:
    # What stands in the file, also where it could not be read: one mistake is told once.
    given = {key: value for key, value in section.found.items() if not value.is_word("none", "off")}
    if "secret" in given and "username" in given:
        raise given["username"].error("'secret' makes user names: remove one of the two")
    for one, other in (("username", "password"), ("password", "username")):
        if one in given and other not in given:
            raise given[one].error(f"needs '{other}' beside it")
    if "turn" in given and not given.keys() & {"secret", "username"}:
        raise given["turn"].error(
            "needs 'secret' beside it, which the TURN server knows too: !env NAME or !file path;"
            " or 'username' and 'password'"
        )
    for key in ("secret", "username"):
        if key in given and "turn" not in given:
            raise given[key].error("is for TURN servers: name them in 'turn'")


def _check_sip(sip: SipConfig, section: Section) -> None:
    if sip.enabled and not (sip.udp or sip.tcp):
        raise section.value.error("udp and tcp are both off: switch one on, or 'enabled' off")


def _check_xmpp(xmpp: XmppConfig, section: Section) -> None:
    if xmpp.server and "secret" not in section.found:
        raise section.found["server"].error("needs 'secret' beside it: !env NAME or !file path")


def _check_media(media: MediaConfig, section: Section) -> None:
    given = section.found.get("language")
    folders = [folder for folder in (media.sounds, SOUNDS) if folder is not None]
    if given is not None and not any((folder / media.language).is_dir() for folder in folders):
        known = {one.name for folder in folders for one in folder.iterdir() if one.is_dir()}
        raise given.error(
            f"there are no prompts in '{media.language}': expected {', '.join(sorted(known))},"
            " or a folder of your own in 'sounds'"
        )
    if media.ice_port + media.workers > 65_536:
        ports = f"{media.ice_port} to {media.ice_port + media.workers - 1}"
        raise section.found["ice_port"].error(
            f"each of {media.workers} workers has the next port: {ports} are no ports"
        )


def _check_conference(conference: ConferenceConfig, section: Section) -> None:
    moderator = section.found.get("moderator")
    if moderator is not None and conference.moderator == "key" and not conference.moderator_key:
        raise moderator.error("needs 'moderator_key' beside it: !env NAME or !file path")
    if moderator is not None and conference.moderator == "nobody":
        if conference.moderator_key:
            raise moderator.error("'moderator_key' makes moderators: remove one of the two")
        if conference.publishing == "moderators":
            raise section.found["publishing"].error("nobody moderates, so nobody would be heard")


def _check_ports(config: Config, top: Value) -> None:
    """No two TCP listeners on one port, whatever their addresses: it would only confuse people."""
    taken: dict[int, str] = {}
    for key, port in _tcp_ports(config):
        if port in taken:
            text = f"{key} and {taken[port]} are both {port}/tcp: give one of them another port"
            raise ConfigErrors([_place(top, key, taken[port]).error(text)])
        if port:
            taken[port] = key


def _tcp_ports(config: Config) -> Iterator[tuple[str, int]]:
    web, sip, xmpp = config.web, config.sip, config.xmpp
    yield "web.port", web.port
    if web.tls_port is not None:
        yield "web.tls_port", web.tls_port
    if sip.enabled and sip.tcp:
        yield "sip.port", sip.port
    if xmpp.enabled and xmpp.server is None:
        yield "xmpp.c2s_port", xmpp.c2s_port
        yield "xmpp.component_port", xmpp.component_port
        yield "xmpp.http_port", xmpp.http_port


def _place(top: Value, *keys: str) -> Value:
    """Where the first of these keys stands that the file has; defaults stand nowhere."""
    for key in keys:
        section, _, name = key.partition(".")
        given = top.names().get(section)
        if given is not None and name in (names := given.names()):
            return names[name]
    return top


_CHECKS: Mapping[type, Callable[[Any, Section], None]] = {
    WebConfig: _check_web,
    IceConfig: _check_ice,
    SipConfig: _check_sip,
    XmppConfig: _check_xmpp,
    MediaConfig: _check_media,
    ConferenceConfig: _check_conference,
}
