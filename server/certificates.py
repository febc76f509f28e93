"""Whether a certificate may serve the issuer: it fits its key, covers the host and is valid today."""

from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from server.tls import load_context, told

SOON = timedelta(days=14)


def certificate_faults(cert: Path, key: Path, issuer: str, *, now: datetime) -> list[str]:
    """What is wrong with the pair, each in a sentence; empty where it may be used."""
    try:
        load_context(cert, key)
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    except (OSError, ValueError) as error:
        return [f"OSTIARY_TLS_CERT and OSTIARY_TLS_KEY cannot be used: {told(error)}"]
    faults = []
    if now < certificate.not_valid_before_utc:
        faults.append(
            f"{cert} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on: check this machine's clock"
        )
    if now > certificate.not_valid_after_utc:
        faults.append(f"{cert} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: renew it")
    elif now > certificate.not_valid_after_utc - SOON:
        faults.append(f"{cert} expires on {certificate.not_valid_after_utc:%Y-%m-%d}: renew it now")
    host = urlsplit(issuer).hostname or ""
    names = dns_names(certificate)
    if not any(_covers(name, host) for name in names):
        shown = ", ".join(names) or "no host at all"
        faults.append(f"{cert} is for {shown}, not for {host}: get one for the issuer's host")
    return faults


def dns_names(certificate: x509.Certificate) -> list[str]:
    """The host names that a certificate is for; the subject's common name has not counted for years (RFC 9525)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host
