"""A real syslog receiver: Debian's rsyslog, taking RFC 5425 over TLS and writing what it took to a file."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.services import Service, ServiceMissing, free_port, start, stop_group

PROGRAM = Path("/usr/sbin/rsyslogd")
# Control characters are left as they come: what keeps a message on one line must be the sender.
CONFIG = """
global(
    workDirectory="{folder}"
    maxMessageSize="64k"
    parser.escapeControlCharactersOnReceive="off"
    defaultNetstreamDriverCAFile="{folder}/ca.pem"
    defaultNetstreamDriverCertFile="{folder}/cert.pem"
    defaultNetstreamDriverKeyFile="{folder}/key.pem"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="whole" type="string"
    string="%pri% %timestamp:::date-rfc3339% %hostname% %app-name% %msgid% %structured-data% %msg%\\n")
ruleset(name="keep") {{ action(type="omfile" file="{folder}/received" template="whole" fileCreateMode="0600") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="keep")
"""


@dataclass(slots=True)
class Rsyslog:
    """A receiver in `folder`; it can be killed and started again on the same port."""

    folder: Path
    port: int
    service: Service | None = None

    @property
    def authorities(self) -> Path:
        """The file of the authority that vouches for its certificate."""
        return self.folder / "ca.pem"

    def start(self) -> None:
        """Starts it; what it received before stays."""
        if not PROGRAM.exists():
            raise ServiceMissing("rsyslogd was not found: run 'apt-get install rsyslog rsyslog-openssl'.")
        config = self.folder / "rsyslog.conf"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port))
        command: list[str | Path] = [PROGRAM, "-n", "-f", config, "-i", self.folder / "rsyslog.pid"]
        self.service = start("rsyslog", self.folder, lambda _: command, answers=_answers, fixed_port=self.port)

    def kill(self) -> None:
        """Ends it as a power cut would, where it runs."""
        if self.service is not None:
            os.killpg(self.service.pid, signal.SIGKILL)
            stop_group(self.service.pid)
            (self.folder / "rsyslog.pid").unlink(missing_ok=True)
            self.service = None

    def lines(self) -> list[str]:
        """What it has received, a line each; a line that is still being written is left out."""
        path = self.folder / "received"
        text = path.read_bytes().decode() if path.exists() else ""
        return text.split("\n")[:-1]


def make_rsyslog(folder: Path, *, name: str = "localhost") -> Rsyslog:
    """A receiver that is not started yet; its certificate is for `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    certificate = authority.issue_cert(name)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    return Rsyslog(folder, free_port())


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
