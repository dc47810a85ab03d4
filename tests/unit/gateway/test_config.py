import re
from dataclasses import fields, is_dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config import Config, Endpoint, load
from gateway.yamltext import ConfigErrors

MANUAL = Path(__file__).parents[3] / "config" / "gateway.yaml"


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaints(folder: Path, text: str, **environ: str) -> list[str]:
    """What is said about a file, without the folder in front."""
    path = write(folder, text)
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_no_file_means_the_defaults() -> None:
    assert load(None) == Config()


def test_the_sample_file_holds_exactly_the_defaults() -> None:
    assert load(MANUAL) == Config()


def test_the_sample_file_explains_every_key() -> None:
    text = MANUAL.read_text(encoding="utf-8")
    for section in fields(Config):
        assert re.search(rf"^{section.name}:.*# \w|^{section.name}: ", text, re.M), section.name
        nested = getattr(Config(), section.name)
        if is_dataclass(nested):
            body = re.split(r"^(?=\S)", text.split(f"\n{section.name}:", 1)[1], flags=re.M)[0]
            for key in fields(nested):
                line = rf"^  (?:# )?{key.name}: .*# \w"
                assert re.search(line, body, re.M), f"{section.name}.{key.name}"


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "# nothing\n")) == Config()


def test_values_are_typed_by_the_schema_and_not_by_yaml(tmp_path: Path) -> None:
    config = load(
        write(
            tmp_path,
            "web: {port: '9090', tls_port: off}\n"
            "xmpp: {server: '[::1]:5347', secret: !env S, component: 0301.example}\n"
            "media: {rtp_ports: 4000-4999, rtp_timeout: 2.5}\n"
            "sip: {udp: yes, tcp: 'false', host: 192.0.2.1}\n",
        ),
        {"S": "hush"},
    )
    assert (config.web.port, config.web.tls_port) == (9090, None)
    assert config.xmpp.server == Endpoint("::1", 5347)
    assert config.xmpp.component == "0301.example"
    assert config.media.rtp_ports == range(4000, 5000)
    assert config.media.rtp_timeout == 2.5
    assert (config.sip.udp, config.sip.tcp, config.sip.host) == (True, False, "192.0.2.1")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("version: 1")
    config = load(write(tmp_path, "dialplan: plan.yaml\nstate_dir: state\n"))
    assert config.dialplan == tmp_path / "plan.yaml"
    assert config.state_dir == tmp_path / "state"


def test_a_language_may_be_the_admins_own(tmp_path: Path) -> None:
    (tmp_path / "sounds" / "pt-br").mkdir(parents=True)
    config = load(write(tmp_path, "media: {sounds: sounds, language: pt-BR, recordings: new}\n"))
    assert config.media.language == "pt-br"
    assert config.media.sounds == tmp_path / "sounds"
    assert config.media.recordings == tmp_path / "new"


def test_a_secret_comes_from_a_file_and_is_never_printed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush-hush\n")
    config = load(write(tmp_path, "xmpp: {server: 'a.example:5347', secret: !file secret}\n"))
    assert config.xmpp.secret == "hush-hush"
    assert "hush" not in repr(config)


def test_proxies_are_addresses_and_networks(tmp_path: Path) -> None:
    web = load(write(tmp_path, "web: {proxies: [127.0.0.1, '2001:db8::/32']}")).web
    assert web.proxies == (ip_network("127.0.0.1/32"), ip_network("2001:db8::/32"))
    assert load(write(tmp_path, "web: {proxies: none}")).web.proxies == ()


def test_turn_servers_come_with_a_secret_or_with_one_name_for_all(tmp_path: Path) -> None:
    servers = "['turn:[2001:db8::1]:3478?transport=tcp', turns:t.example]"
    shared = f"ice: {{stun: stun:s.example, turn: {servers}, secret: !env S, lifetime: 60}}"
    ice = load(write(tmp_path, shared), {"S": "hush"}).ice
    assert ice.stun == ("stun:s.example",)
    assert ice.turn == ("turn:[2001:db8::1]:3478?transport=tcp", "turns:t.example")
    assert (ice.secret, ice.lifetime) == ("hush", 60)
    static = f"ice: {{turn: {servers}, username: ana, password: !env S}}"
    ice = load(write(tmp_path, static), {"S": "hush"}).ice
    assert (ice.username, ice.password, ice.secret) == ("ana", "hush", None)
    assert "hush" not in repr(ice)


def test_a_turn_server_that_cannot_be_read_is_one_mistake(tmp_path: Path) -> None:
    assert len(complaints(tmp_path, "ice: {turn: 'sip:a', secret: !env S}", S="hush")) == 1


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = """\
web:
  prot: 8080
  port: http
  port: 81
sip:
  udp: perhaps
conference: 7
medai: {}
log_level: inof
"""
    assert complaints(tmp_path, text) == [
        "gateway.yaml:2:3: web.prot: unknown name 'prot', did you mean 'port'?",
        "gateway.yaml:3:9: web.port: expected a whole number from 0 to 65535, not 'http'",
        "gateway.yaml:4:3: web.port: 'port' stands here twice",
        "gateway.yaml:6:8: sip.udp: expected on or off, not 'perhaps'",
        "gateway.yaml:7:13: conference: expected names with values",
        "gateway.yaml:8:1: medai: unknown name 'medai', did you mean 'media'?",
        "gateway.yaml:9:12: log_level: expected one of debug, info, warning, error, not 'inof', "
        "did you mean 'info'?",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("web: {port: }", "1:13: web.port: nothing stands here (a value that starts with"),
        ("web: {port: 65536}", "1:13: web.port: expected a whole number from 0 to 65535"),
        ("web: {port: 8_080}", "1:13: web.port: expected a whole number"),
        ("web: {port: [80]}", "1:13: web.port: expected one value, not a list"),
        ("web: {port: !env P}", "1:13: web.port: '!env' is not known here"),
        (
            "web: {port: 81, tls_port: 81}",
            "1:27: web.tls_port: web.tls_port and web.port are both 81/tcp: give one of them",
        ),
        ("web: {port: 5060}", "1:13: web.port: sip.port and web.port are both 5060/tcp"),
        (
            "xmpp: {http_port: 8080}",
            "1:19: xmpp.http_port: xmpp.http_port and web.port are both 8080/tcp",
        ),
        ("media: {rtp_ports: 4000-4008}", "1:20: media.rtp_ports: 4000-4008 holds 9 ports: expect"),
        ("web: {listen: localhost}", "1:15: web.listen: expected an IP address, not 'localhost'"),
        ("web: {proxies: [127.0.0.1, a]}", "1:28: web.proxies[1]: expected an IP address or a ne"),
        ("web: {certificate: no.pem}", "1:20: web.certificate: there is no file "),
        ("web: {certificate: gateway.yaml}", "1:20: web.certificate: needs 'key' beside it"),
        ("web: {key: gateway.yaml}", "1:12: web.key: needs 'certificate' beside it"),
        ("ice: {stun: 'http://a'}", "1:13: ice.stun: expected a STUN server such as stun:stun.exa"),
        ("ice: {stun: ['stun:a', 'turn:a']}", "1:24: ice.stun[1]: expected a STUN server such as "),
        (
            "ice: {turn: 'turn:a:0', secret: !env S}",
            "1:13: ice.turn: expected a TURN server such as turn:turn.example.org:3478?transport="
            "udp, not 'turn:a:0'",
        ),
        (
            "ice: {turn: 'turn:a'}",
            "1:13: ice.turn: needs 'secret' beside it, which the TURN server",
        ),
        ("ice: {secret: !env S}", "1:15: ice.secret: is for TURN servers: name them in 'turn'"),
        ("ice: {secret: hush}", "1:15: ice.secret: a secret does not stand here itself: use !env "),
        ("ice: {turn: 'turn:a', username: b}", "1:33: ice.username: needs 'password' beside it"),
        (
            "ice: {turn: 'turn:a', username: b, password: !env S, secret: !env S}",
            "1:33: ice.username: 'secret' makes user names: remove one of the two",
        ),
        ("ice: {lifetime: 0}", "1:17: ice.lifetime: expected seconds from 1 to 86400, not '0'"),
        ("web: []", "1:6: web: expected names with values"),
        ("sip: {udp: off, tcp: off}", "1:6: sip: udp and tcp are both off"),
        ("sip: {host: 'a:5060'}", "1:13: sip.host: expected a host name, not 'a:5060'"),
        ("xmpp: {server: 'a:1'}", "1:16: xmpp.server: needs 'secret' beside it"),
        ("xmpp: {server: a}", "1:16: xmpp.server: expected host:port, not 'a'"),
        ("xmpp: {secret: hush}", "1:16: xmpp.secret: a secret does not stand here itself"),
        ("xmpp: {secret: !env NO}", "1:16: xmpp.secret: the environment variable NO is not set"),
        ("xmpp: {secret: !file no}", "1:16: xmpp.secret: the file no cannot be read: No such"),
        ("media: {rtp_ports: 9-5}", "1:20: media.rtp_ports: expected two ports from 1024"),
        ("media: {rtp_ports: many}", "1:20: media.rtp_ports: expected two ports such as"),
        ("media: {rtp_timeout: nan}", "1:22: media.rtp_timeout: expected seconds from 1"),
        ("media: {language: ../en}", "1:19: media.language: expected a language such as en or"),
        (
            "media: {language: tlh}",
            "1:19: media.language: there are no prompts in 'tlh'",
        ),
        (
            "media: {ice_port: 65535, workers: 4}",
            "1:19: media.ice_port: each of 4 workers has the next port: 65535 to 65538 are no",
        ),
        ("media: {sounds: nowhere}", "1:17: media.sounds: there is no folder "),
        ("media: {recordings: gateway.yaml}", "1:21: media.recordings: "),
        ("conference: {recording: all}", "1:25: conference.recording: expected one of off, anyone"),
        (
            "conference: {moderator: key}",
            "1:25: conference.moderator: needs 'moderator_key' beside it",
        ),
        (
            "conference: {moderator: nobody, moderator_key: !env LONG}",
            "1:25: conference.moderator: 'moderator_key' makes moderators: remove one of the two",
        ),
        (
            "conference: {moderator: nobody, publishing: moderators}",
            "1:45: conference.publishing: nobody moderates, so nobody would be heard",
        ),
        (
            "conference: {moderator_key: !env S}",
            "1:29: conference.moderator_key: is too easy to guess: expected at least 12 characters",
        ),
        ("- web", "1:1: expected names with values"),
        ("web: &a {}", "1:6: '&a' must be in quotes"),
        ("web: *a", "1:6: '*a' must be in quotes"),
        ("web:\n\tport: 1", "2:1: a tab cannot indent, use spaces"),
        ("web: @x", "1:6: a value that starts with '@' must be in quotes"),
        ("web: {port: 1", "2:1: did not find expected ',' or '}'"),
        ("[web]: 1", "1:1: expected one value, not a list or names with values"),
        ("web: {}\n---\nsip: {}", "2:1: but found another document"),
        ("a: \x07", " is not YAML: "),
        ("[" * 100_000, "1:33: is nested too deeply"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    [line] = complaints(tmp_path, text, S="hush", LONG="a long secret")[:1]
    assert line.startswith(f"gateway.yaml:{complaint}"), line


def test_a_port_that_cannot_be_read_collides_with_nothing(tmp_path: Path) -> None:
    assert len(complaints(tmp_path, "web: {port: http}\nsip: {port: 8080}")) == 1


def test_a_word_that_is_nothing_like_the_choices_gets_them_once(tmp_path: Path) -> None:
    assert complaints(tmp_path, "log_level: loud") == [
        "gateway.yaml:1:12: log_level: expected one of debug, info, warning, error, not 'loud'"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "web: {port: 5060}\nsip: {tcp: off}",
        "web: {port: 5060}\nsip: {enabled: off}",
        "web: {port: 5222}\nxmpp: {server: 'a:5347', secret: !env S}",
        "web: {port: 0, tls_port: 0}\nsip: {port: 0}",
        "media: {rtp_ports: 4000-4009}",
    ],
)
def test_ports_that_nobody_listens_on_twice_are_good(tmp_path: Path, text: str) -> None:
    load(write(tmp_path, text), {"S": "hush"})


@pytest.mark.parametrize(
    "token", ["short", "with a blank in it", "x" * 129, "straße-straße-straße"]
)
def test_a_monitor_token_that_is_weak_or_no_header_takes_is_refused(
    tmp_path: Path, token: str
) -> None:
    (tmp_path / "token").write_text(token)
    found = complaints(tmp_path, "web: {monitor_token: !file token}")
    assert len(found) == 1
    assert "web.monitor_token: expected 16 to 128 of" in found[0]
    assert token not in found[0]


def test_a_monitor_token_is_never_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush-hush-hush-hush")
    config = load(write(tmp_path, "web: {monitor_token: !file token}"))
    assert config.web.monitor_token == "hush-hush-hush-hush"
    assert "hush" not in repr(config)


def test_a_refused_secret_is_not_repeated(tmp_path: Path) -> None:
    assert "hush" not in "".join(complaints(tmp_path, "xmpp: {secret: hush}"))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"gone\.yaml: No such file or directory"):
        load(tmp_path / "gone.yaml")


def test_a_file_that_is_not_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_bytes(b"web: \xff\n")
    with pytest.raises(ConfigErrors, match="it is not UTF-8 text"):
        load(path)
