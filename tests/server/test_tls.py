"""TLS by the server itself: version, reloading while connections are open, and pairs that cannot be used."""

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from base.errors import NotReady
from server.certificates import certificate_faults
from server.tls import ReloadingTls

NOW = datetime.now(UTC)


class Certificates:
    """A certificate authority of the test, and the two files of a server."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"

    def write(self, *names: str, **options: object) -> None:
        """Puts a new pair in the place of the old one."""
        leaf = self.authority.issue_cert(*names, **options)  # type: ignore[arg-type]
        leaf.cert_chain_pems[0].write_to_path(self.cert)
        leaf.private_key_pem.write_to_path(self.key)

    def client(self) -> ssl.SSLContext:
        """A caller who trusts this authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """A pair for localhost."""
    made = Certificates(tmp_path)
    made.write("localhost")
    return made


async def served_names(tls: ReloadingTls, client: ssl.SSLContext, *, name: str | None = "localhost") -> list[str]:
    """The names in the certificate that a new connection is shown."""

    def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name or "")
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
    assert version == "TLSv1.3"
    certificate = x509.load_der_x509_certificate(shown)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


@pytest.mark.anyio
async def test_a_new_pair_is_used_by_new_connections_even_with_another_kind_of_key(certificates: Certificates) -> None:
    tls = ReloadingTls(certificates.cert, certificates.key)
    assert await served_names(tls, certificates.client()) == ["localhost"]
    assert not tls.reload(), "nothing changed"
    certificates.write("localhost", "id.example.com", key_type=trustme.KeyType.RSA)
    assert tls.reload()
    assert await served_names(tls, certificates.client()) == ["localhost", "id.example.com"]
    certificates.write("localhost", "third.example.com")
    assert tls.reload()
    assert await served_names(tls, certificates.client()) == ["localhost", "third.example.com"]


@pytest.mark.anyio
async def test_a_caller_who_names_no_host_gets_the_new_pair_too(certificates: Certificates) -> None:
    tls = ReloadingTls(certificates.cert, certificates.key)
    certificates.write("localhost", "second.example.com")
    assert tls.reload()
    client = certificates.client()
    client.check_hostname = False
    assert await served_names(tls, client, name=None) == ["localhost", "second.example.com"]


@pytest.mark.anyio
async def test_a_broken_new_pair_keeps_the_old_one_and_is_told_once(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    tls = ReloadingTls(certificates.cert, certificates.key)
    certificates.cert.write_text("-----BEGIN CERTIFICATE-----\nhalf a file")
    with caplog.at_level(logging.WARNING, "ostiary.tls"):
        assert not tls.reload()
        assert not tls.reload()
    assert len(caplog.records) == 1
    assert "the old one stays" in caplog.text
    assert await served_names(tls, certificates.client()) == ["localhost"]
    certificates.write("localhost", "repaired.example.com")
    assert tls.reload()
    assert await served_names(tls, certificates.client()) == ["localhost", "repaired.example.com"]


@pytest.mark.anyio
async def test_a_key_that_does_not_belong_to_the_new_certificate_keeps_the_old_pair(certificates: Certificates) -> None:
    tls = ReloadingTls(certificates.cert, certificates.key)
    old_key = certificates.key.read_bytes()
    certificates.write("localhost", "second.example.com")
    certificates.key.write_bytes(old_key)
    assert not tls.reload()
    assert await served_names(tls, certificates.client()) == ["localhost"]


@pytest.mark.anyio
async def test_a_caller_who_speaks_only_older_versions_is_refused(certificates: Certificates) -> None:
    tls = ReloadingTls(certificates.cert, certificates.key)
    old = certificates.client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await served_names(tls, old)


@pytest.mark.anyio
async def test_the_watcher_survives_a_missing_file(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.tls.WATCH_S", 0.01)
    tls = ReloadingTls(certificates.cert, certificates.key)
    watching = asyncio.create_task(tls.watch())
    certificates.cert.unlink()
    await asyncio.sleep(0.1)
    certificates.write("localhost", "back.example.com")
    async with asyncio.timeout(5):
        while await served_names(tls, certificates.client()) == ["localhost"]:
            await asyncio.sleep(0.02)
    watching.cancel()
    assert await served_names(tls, certificates.client()) == ["localhost", "back.example.com"]


def test_a_start_with_a_pair_that_cannot_be_used_says_what_was_expected(certificates: Certificates) -> None:
    certificates.key.write_text("no key")
    with pytest.raises(NotReady, match="expected a PEM certificate chain and its unencrypted private key"):
        ReloadingTls(certificates.cert, certificates.key)
    with pytest.raises(NotReady, match="No such file"):
        ReloadingTls(certificates.cert.with_name("none.pem"), certificates.key)


def test_a_good_pair_has_no_faults(certificates: Certificates) -> None:
    assert certificate_faults(certificates.cert, certificates.key, "https://localhost:3201", now=NOW) == []
    certificates.write("*.example.com")
    assert certificate_faults(certificates.cert, certificates.key, "https://id.example.com", now=NOW) == []


@pytest.mark.parametrize(
    ("issuer", "moved", "words"),
    [
        ("https://id.example.com", timedelta(), "is for localhost, not for id.example.com"),
        ("https://localhost", timedelta(days=400_000), "expired on"),
        ("https://localhost", timedelta(days=-100_000), "check this machine's clock"),
    ],
)
def test_a_certificate_for_another_host_or_time_is_told(
    certificates: Certificates, issuer: str, moved: timedelta, words: str
) -> None:
    faults = certificate_faults(certificates.cert, certificates.key, issuer, now=NOW + moved)
    assert len(faults) == 1
    assert words in faults[0]


def test_a_certificate_that_ends_soon_is_told(certificates: Certificates) -> None:
    certificates.write("localhost", not_after=NOW + timedelta(days=3))
    (fault,) = certificate_faults(certificates.cert, certificates.key, "https://localhost", now=NOW)
    assert "renew it now" in fault
