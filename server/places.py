"""The operator's files of places and addresses: from the settings into use, and into the metrics."""

from collections.abc import Callable, Mapping
from pathlib import Path

from risk.places.address_lists import LIST_KINDS, ListKind
from risk.places.edge_places import EdgeHeaders
from risk.places.geography import PROBES, Geography, PlaceFile
from server.metrics import Metrics
from server.settings import Settings


def make_geography(settings: Settings, *, probes: int = PROBES) -> Geography:
    """What knows where addresses are; reads nothing yet. `probes` says how thoroughly databases are tested."""
    return Geography(
        settings.geoip_city,
        settings.geoip_asn,
        lists=list_paths(settings),
        scratch_dir=settings.data_dir,
        probes=probes,
    )


def list_paths(settings: Settings) -> dict[ListKind, Path]:
    """The files of the lists that are set."""
    named = ((kind, getattr(settings.risk, f"list_{kind}")) for kind in LIST_KINDS)
    return {kind: path for kind, path in named if path is not None}


def edge_headers(settings: Settings) -> EdgeHeaders | None:
    """The headers in which trusted proxies give places, where that is set."""
    country, city = settings.risk.country_header, settings.risk.city_header
    return EdgeHeaders(country.encode(), city.encode() if city else None) if country else None


def tls_header(settings: Settings) -> bytes | None:
    """The header in which trusted proxies tell of the TLS handshake, where that is set."""
    return settings.risk.tls_header.encode() if settings.risk.tls_header else None


def begin_places(metrics: Metrics, geography: Geography) -> None:
    """Reads the files, so that no request waits for them, and registers their numbers.

    Who asks for the numbers makes the files be looked at, so that idle processes notice changes too.
    """
    geography.look_now()

    def by_file(number: Callable[[PlaceFile], float]) -> Callable[[], Mapping[tuple[str, ...], float]]:
        return lambda: {(file.name,): number(file) for file in geography.files}

    def good(file: PlaceFile) -> float:
        file.look()
        return float(file.fault is None)

    metrics.labelled_gauge("ostiary_place_file_good", by_file(good))
    metrics.labelled_gauge("ostiary_place_file_versions_total", by_file(lambda file: file.replaced))
    metrics.labelled_gauge("ostiary_place_file_refusals_total", by_file(lambda file: file.refused))
