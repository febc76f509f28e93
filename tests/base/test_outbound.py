"""Calls to other systems: what may be called, to which address the connection goes, and what others can do to us."""

import asyncio
import ssl
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest
import trustme

from base import targets
from base.outbound import Outbound, OutboundFailed, Reason
from base.request import Network
from base.targets import is_allowed, is_public, parse_target
from tests.http_receiver import HttpReceiver

pytestmark = pytest.mark.anyio

LOOPBACK = (ip_network("127.0.0.0/8"),)

PRIVATE = (
    "127.0.0.1 127.8.8.8 0.0.0.0 0.1.2.3 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1"
    " 100.127.255.255 192.0.0.8 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250"
    " 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fec0::1 fc00::1 fd12:3456::1 ff02::1 2001:db8::1 2001::1 2002:7f00:1::1"
    " 2002:808:808::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1"
    " 64:ff9b:1::1 ::127.0.0.1 100::1 3fff::1 5f00::1"
).split()
PUBLIC = "1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 11.0.0.1 2606:4700::1111 2a00:1450::1 64:ff9b::8.8.8.8 ::ffff:8.8.8.8"


class Names:
    """A name server that answers as it is told, one answer a question, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_address_of_a_private_network_is_called(address: str) -> None:
    """S48: private, loopback, link-local, shared, multicast and wrapped addresses, by name and written out."""
    assert not is_public(ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    for outbound, url in (
        (Outbound(), f"https://{literal}/hook"),
        (Outbound(resolve=Names([address])), "https://hooks.example.com/hook"),
    ):
        with pytest.raises(OutboundFailed) as failed:
            await outbound.post(url, b"{}")
        assert failed.value.reason is Reason.NOT_PUBLIC
        assert "OSTIARY_OUTBOUND__ALLOW" in str(failed.value)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("address", "network", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("64:ff9b::10.1.2.3", "10.0.0.0/8", True),
        ("fd00::1", "fd00::/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("fd00::1", "10.0.0.0/8", False),
    ],
)
def test_a_network_that_the_operator_named_is_allowed(address: str, network: str, expected: bool) -> None:
    networks: tuple[Network, ...] = (ip_network(network),)
    assert is_allowed(ip_address(address), networks) is expected


@pytest.mark.parametrize("written", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "127.0.0.1."])
async def test_other_spellings_of_loopback_are_no_way_around(written: str) -> None:
    """S48: what the system's resolver makes of a host is judged, not its spelling."""
    with pytest.raises(OutboundFailed) as failed:
        await Outbound().post(f"https://{written}/", b"")
    assert failed.value.reason in (Reason.NOT_PUBLIC, Reason.UNKNOWN_NAME)


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """S48, DNS rebinding: the name is asked once, and the connection goes to the address that was judged."""
    # Nothing listens at the first; the second would be the receiver.
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    async with HttpReceiver().running() as receiver:
        outbound = Outbound(allow=(ip_network("127.0.0.2/32"),), resolve=names)
        with pytest.raises(OutboundFailed) as failed:
            await outbound.post(f"http://hooks.example.com:{receiver.port}/", b"{}")
    assert failed.value.reason is Reason.UNREACHABLE
    assert (names.asked, receiver.connections) == (1, 0)


async def test_a_forbidden_address_among_allowed_ones_is_left_out() -> None:
    names = Names(["10.0.0.1", "127.0.0.1"])
    async with HttpReceiver().running() as receiver:
        answer = await Outbound(allow=LOOPBACK, resolve=names).post(
            f"http://a.example.com:{receiver.port}/x?y=1", b"{}"
        )
    assert answer.status == 200
    assert receiver.posts[0].line == "POST /x?y=1 HTTP/1.1"
    assert receiver.posts[0].headers["host"] == f"a.example.com:{receiver.port}"


async def test_the_next_address_is_asked_where_the_first_takes_no_connection() -> None:
    names = Names(["127.0.0.9", "127.0.0.1"])
    async with HttpReceiver().running() as receiver:
        answer = await Outbound(allow=LOOPBACK, resolve=names).post(f"http://a.example.com:{receiver.port}/", b"{}")
    assert answer.is_success


async def test_plain_http_is_for_named_networks_alone() -> None:
    outbound = Outbound(allow=LOOPBACK, resolve=Names(["8.8.8.8"]))
    with pytest.raises(OutboundFailed) as failed:
        await outbound.post("http://hooks.example.com/", b"{}")
    assert failed.value.reason is Reason.NOT_ENCRYPTED


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_nobody_follows_it(status: int) -> None:
    """S48"""
    async with HttpReceiver().running() as elsewhere:
        headers = {"location": elsewhere.url}
        async with HttpReceiver(status=status, headers=headers).running() as receiver:
            with pytest.raises(OutboundFailed) as failed:
                await Outbound(allow=LOOPBACK).post(receiver.url, b"{}")
    assert failed.value.reason is Reason.REDIRECTED
    assert (len(receiver.posts), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("hang", Reason.TOO_SLOW),
        ("endless", Reason.TOO_SLOW),
        ("endless_head", Reason.TOO_SLOW),
        ("cut", Reason.BROKEN),
        ("noise", Reason.BROKEN),
    ],
)
async def test_a_receiver_that_misbehaves_costs_its_deadline_at_most(mood: str, reason: Reason) -> None:
    """S48, F8: the deadline covers the whole call, however often a byte comes."""
    async with HttpReceiver(mood=mood).running() as receiver:
        async with asyncio.timeout(10):
            with pytest.raises(OutboundFailed) as failed:
                await Outbound(allow=LOOPBACK, timeout_s=0.5).post(receiver.url, b"{}")
    assert failed.value.reason is reason


async def test_a_name_server_that_hangs_is_covered_by_the_deadline() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(OutboundFailed) as failed:
        await Outbound(timeout_s=0.5, resolve=hang).post("https://hooks.example.com/", b"")
    assert failed.value.reason is Reason.TOO_SLOW


async def test_an_answer_over_its_cap_is_not_read_on() -> None:
    """S48"""
    async with HttpReceiver(body=b"x" * 1001).running() as receiver:
        outbound = Outbound(allow=LOOPBACK)
        assert len((await outbound.post(receiver.url, b"{}", cap_bytes=1001)).body) == 1001
        with pytest.raises(OutboundFailed) as failed:
            await outbound.post(receiver.url, b"{}", cap_bytes=1000)
    assert failed.value.reason is Reason.TOO_LARGE


async def test_a_compressed_answer_is_not_asked_for_and_not_unfolded() -> None:
    async with HttpReceiver(body=b"\x1f\x8b", headers={"content-encoding": "gzip"}).running() as receiver:
        answer = await Outbound(allow=LOOPBACK).post(receiver.url, b"{}")
    assert answer.body == b"\x1f\x8b"
    assert receiver.posts[0].headers["accept-encoding"] == "identity"


async def test_proxies_and_cookies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HttpReceiver(headers={"set-cookie": "a=b"}).running() as receiver, HttpReceiver().running() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        outbound = Outbound(allow=LOOPBACK)
        for _ in range(2):
            await outbound.post(receiver.url, b"{}", headers={"x-own": "1"})
    assert proxy.connections == 0
    assert [("cookie" in post.headers, post.headers["x-own"]) for post in receiver.posts] == [(False, "1")] * 2


async def test_over_tls_the_certificate_must_be_the_names() -> None:
    """The connection goes to an address, yet it is the name that the certificate has to prove."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("hooks.example.com").configure_cert(server)
    authority.configure_trust(client)
    async with HttpReceiver(tls=server).running() as receiver:
        outbound = Outbound(allow=LOOPBACK, resolve=Names(["127.0.0.1"]), tls=client)
        assert (await outbound.post(f"https://hooks.example.com:{receiver.port}/", b"{}")).status == 200
        for other in (Outbound(allow=LOOPBACK, resolve=Names(["127.0.0.1"])), outbound):
            name = "hooks.example.com" if other is not outbound else "other.example.com"
            with pytest.raises(OutboundFailed) as failed:
                await other.post(f"https://{name}:{receiver.port}/", b"{}")
            assert failed.value.reason is Reason.CERTIFICATE
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("mood", ["hang", "endless"])
async def test_over_tls_the_deadline_covers_the_goodbye_too(mood: str) -> None:
    """F8: who does not answer does not say goodbye either."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with HttpReceiver(mood=mood, tls=server).running() as receiver, asyncio.timeout(10):
        with pytest.raises(OutboundFailed) as failed:
            await Outbound(allow=LOOPBACK, timeout_s=0.5, tls=client).post(receiver.url, b"{}")
    assert failed.value.reason is Reason.TOO_SLOW


async def test_what_a_failure_says_holds_no_secret_of_the_address() -> None:
    """S46: such addresses are passwords: whoever knows one may write there."""
    failures = []
    async with HttpReceiver(mood="hang").running() as receiver:
        for outbound in (Outbound(), Outbound(allow=LOOPBACK, timeout_s=0.5)):
            with pytest.raises(OutboundFailed) as failed:
                await outbound.post(receiver.url, b"{}")
            failures.append(str(failed.value))
    for url in ("https://u:SECRET@hooks.example.com/", "ftp://hooks.example.com/SECRET", "https://a b/SECRET"):
        with pytest.raises(OutboundFailed) as failed:
            await Outbound().post(url, b"{}")
        assert failed.value.reason is Reason.ADDRESS
        failures.append(str(failed.value))
    assert failures[0].startswith(f"127.0.0.1:{receiver.port}: it leads to a private network")
    assert not any("SECRET" in words for words in failures)


@pytest.mark.parametrize(
    "url",
    ["", "a.example.com", "https://?q", "https:///x", "ftp://a.example.com", "https://a.example.com:0/",
     "https://a.example.com:x/", "https://u@a.example.com/", "https://a.example.com/#f", "https://ä.example.com/",
     "https://a.example.com/a b", "https://a.example.com\\@b/", "https://a.example.com/\r\nx: y", "https://[::1/"],
)  # fmt: skip
def test_what_is_no_address_is_told_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as fault:
        parse_target(url)
    assert not url or url not in str(fault.value)


def test_an_address_is_taken_apart() -> None:
    target = parse_target("https://Hooks.Example.com/a/b?c=d")
    assert (target.host, target.port, target.path) == ("hooks.example.com", 443, "/a/b?c=d")
    assert target.shown == "hooks.example.com"
    assert parse_target("http://[fd00::1]:8080").shown == "[fd00::1]:8080"


@pytest.mark.parametrize("tail", ["?" + "a" * 70_000, "?" + "a" * 5000, "\x7f"])
async def test_an_address_that_no_request_can_carry_is_refused_in_words(tail: str) -> None:
    with pytest.raises(OutboundFailed) as failed:
        await Outbound(allow=LOOPBACK).post(f"http://127.0.0.1:9/{tail}", b"")
    assert failed.value.reason is Reason.ADDRESS
    assert "aaa" not in str(failed.value)


async def test_an_address_that_only_the_client_refuses_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MAX_URL_LENGTH", 100_000)
    with pytest.raises(OutboundFailed) as failed:
        await Outbound(allow=LOOPBACK).post("http://127.0.0.1:9/?" + "a" * 70_000, b"")
    assert str(failed.value) == "127.0.0.1:9: this is not an address that can be called"
