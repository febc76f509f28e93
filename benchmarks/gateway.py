"""What the gateway adapter costs a request: nginx with our `/auth-request`, beside a trivial answerer in its place."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.compare import Effort
from benchmarks.figures import Figure
from benchmarks.load import FOLDER, Measured, measure, median
from benchmarks.processes import LOAD_CORE, BenchmarkFailed, Program, free_port, start, wait_for
from benchmarks.verify import write_tokens

SHARE_LIMIT, P50_LIMIT_MS, P99_LIMIT_MS = 0.35, 2.0, 10.0
SCRIPT = FOLDER / "gateway.lua"
KINDS = ("ours", "trivial")
WARM_UP_S = 2
# 2,000 requests a second: 64 connections that pause for 31 ms each time.
PACED: Mapping[str, str] = {"DELAY": "31"}
PACED_CONNECTIONS = 64

_NGINX = """worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream adapter {{ server 127.0.0.1:{adapter}; keepalive 64; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} reuseport;
        location / {{ auth_request /_ostiary; empty_gif; }}
        location = /health/live {{ empty_gif; }}
        location = /_ostiary {{
            internal; proxy_pass http://adapter/auth-request; proxy_http_version 1.1;
            proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection "";
            proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-Proto $scheme;
            proxy_set_header X-Original-Host $host; proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;
        }}
    }}
}}
"""


def measure_gateway(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Figure]:
    """Rate and latency through nginx, and the CPU of a judgement; rounds of both answerers in turns."""
    folder.mkdir(parents=True)
    file = write_tokens(folder / "tokens.json", "ES256", 1)
    told = json.loads(file.read_text())
    environment = {"TOKEN": str(told["tokens"][0])}
    full: dict[str, list[Measured]] = {kind: [] for kind in KINDS}
    paced: dict[str, list[Measured]] = {kind: [] for kind in KINDS}
    for number in range(effort.pairs):
        for kind in KINDS:
            with _serving(kind, folder, file) as (adapter, url):
                measure(url, adapter.pid, seconds=WARM_UP_S, script=SCRIPT, environment=environment)
                full[kind].append(
                    measure(url, adapter.pid, seconds=effort.seconds, script=SCRIPT, environment=environment)
                )
                slow = {**environment, **PACED}
                paced[kind].append(
                    measure(
                        url, adapter.pid, seconds=effort.seconds, connections=PACED_CONNECTIONS, script=SCRIPT,
                        environment=slow,
                    )
                )  # fmt: skip
        said = ", ".join(f"{kind} {runs[-1].req_s:.0f}/s {runs[-1].cpu_us:.0f} µs" for kind, runs in full.items())
        say(f"  gateway, round {number + 1} of {effort.pairs}: {said}")
    return _figures(full, paced)


@contextmanager
def _serving(kind: str, folder: Path, file: Path) -> Iterator[tuple[Program, str]]:
    """An answerer on a core of its own, and nginx before it on the core of the load."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise BenchmarkFailed("nginx was not found: run 'apt-get install nginx'")
    adapter_port, port = free_port(), free_port()
    command: list[str | Path] = ["python", "-m", "benchmarks.gateway_app", kind, str(adapter_port), file]
    adapter = start(kind, command, log=folder / f"{kind}.log")
    try:
        wait_for(adapter, f"http://127.0.0.1:{adapter_port}/health/live")
        text = _NGINX.format(folder=folder, adapter=adapter_port, port=port)
        (folder / "nginx.conf").write_text(text)
        proxy = start("nginx", [program, "-c", folder / "nginx.conf"], log=folder / "nginx.log", core=LOAD_CORE)
        try:
            wait_for(proxy, f"http://127.0.0.1:{port}/health/live")
            yield adapter, f"http://127.0.0.1:{port}/api/orders/17"
        finally:
            proxy.stop()
    finally:
        adapter.stop()


def _figures(full: Mapping[str, list[Measured]], paced: Mapping[str, list[Measured]]) -> list[Figure]:
    ours, trivial = median(full["ours"]), median(full["trivial"])
    slow, bare = median(paced["ours"]), median(paced["trivial"])
    fault = None if not ours.bad + slow.bad else f"{ours.bad + slow.bad} requests were refused or lost"
    rates = {"ours_req_s": round(ours.req_s), "trivial_req_s": round(trivial.req_s)}
    cpu = {"ours_us": round(ours.cpu_us, 1), "trivial_us": round(trivial.cpu_us, 1)}
    at = {"at_req_s": round(slow.req_s), "ours_ms": slow.p50_ms, "trivial_ms": bare.p50_ms}
    tail = {"at_req_s": round(slow.req_s), "ours_ms": slow.p99_ms, "trivial_ms": bare.p99_ms}
    return [
        Figure(
            row="gateway", database="", what="nginx with /auth-request, by its rate with a trivial answerer",
            value=ours.req_s / trivial.req_s, unit="×", sense="at least", limit=SHARE_LIMIT, fault=fault, details=rates,
        ),
        Figure(
            row="gateway", database="", what="CPU that a judgement adds to a trivial answer",
            value=ours.cpu_us - trivial.cpu_us, unit=" µs", fault=fault, details=cpu,
        ),
        Figure(
            row="gateway", database="", what="added p50 at 2,000 a second", value=slow.p50_ms - bare.p50_ms,
            unit=" ms", sense="at most", limit=P50_LIMIT_MS, fault=fault, details=at,
        ),
        Figure(
            row="gateway", database="", what="added p99 at 2,000 a second", value=slow.p99_ms - bare.p99_ms,
            unit=" ms", sense="at most", limit=P99_LIMIT_MS, fault=fault, details=tail,
        ),
    ]  # fmt: skip
