"""TLS 1.3 by the server itself, with a certificate that is read again when its file changes."""

import asyncio
import logging
import ssl
from pathlib import Path

from base.errors import NotReady

log = logging.getLogger("ostiary.tls")

WATCH_S = 1.0

Stamp = tuple[int, int, int]


def load_context(cert: Path, key: Path) -> ssl.SSLContext:
    """A server's context for this pair: TLS 1.3 alone. Raises OSError (ssl.SSLError is one) for a bad pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    # A password prompt on a terminal would hang a start for ever: an encrypted key is a fault instead.
    context.load_cert_chain(cert, key, password=lambda: "")
    return context


class ReloadingTls:
    """The context that sockets are served with. New connections use the newest pair that works."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises NotReady where the pair cannot be used."""
        self._cert, self._key = cert, key
        try:
            self._stamp = self._look()
            self.context = load_context(cert, key)
        except (OSError, ValueError) as error:
            raise NotReady(
                f"OSTIARY_TLS_CERT and OSTIARY_TLS_KEY cannot be used ({told(error)}): expected a PEM certificate chain"
                " and its unencrypted private key"
            ) from error
        self._current = self.context
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called by OpenSSL at each handshake, with or without a name."""
        if connection.context is not self._current:
            connection.context = self._current

    def reload(self) -> bool:
        """Reads the files where they changed; whether a new pair is used now. A broken pair keeps the old one."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return False
            # A broken pair is told once, until the files change again.
            self._stamp = stamp
            self._current = load_context(self._cert, self._key)
        except (OSError, ValueError) as error:
            log.warning("the new TLS certificate or key cannot be used, the old one stays: %s", told(error))
            return False
        log.info("a new TLS certificate is in use")
        return True

    async def watch(self) -> None:
        """Looks at the files every second, until it is cancelled."""
        missing = False
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                self._look()
                missing = False
            except OSError as error:
                # Between the removal of an old file and the writing of a new one.
                if not missing:
                    log.warning("the TLS certificate or key is missing, the loaded one stays: %s", told(error))
                missing = True
                continue
            self.reload()

    def _look(self) -> tuple[Stamp, Stamp]:
        return _stamp(self._cert), _stamp(self._key)


def told(error: Exception) -> str:
    """An error of the files or of OpenSSL in a few words, without its internals."""
    if isinstance(error, ssl.SSLError):
        return "the files do not hold a certificate and the private key that belongs to it"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
