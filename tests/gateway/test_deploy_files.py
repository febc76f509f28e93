"""The reference configurations say what the adapter says: no header, route, service or origin is missing in one."""

import re
from collections.abc import Mapping

import pytest
from ruamel.yaml import YAML

from ostiary.gateway.identity_headers import EMITTED, OVERRIDES, REQUEST_ID
from ostiary.gateway.routes import RouteTable
from ostiary.gateway.routes_file import load_routes
from ostiary.gateway.targets import make_target
from tests.gateway.edge import DEPLOY

# The company's services and their ports.
PORTS = {
    "user-management": 3001, "order-processing": 3002, "product-catalog": 3003, "inventory-service": 3004,
    "payment-service": 3005, "notification-service": 3006, "trendyol-integration": 3101, "amazon-integration": 3102,
    "n11-integration": 3103, "hepsiburada-integration": 3104, "ozon-integration": 3105, "auth-service": 3201,
    "config-service": 3202, "analytics-service": 3301, "reporting-service": 3302, "file-storage": 3401,
    "search-service": 3501,
}  # fmt: skip
CONFIGURATIONS = ("nginx.conf", "Caddyfile", "envoy.yaml", "istio.yaml")


@pytest.fixture(scope="module")
def table() -> RouteTable:
    return load_routes(DEPLOY / "routes.toml")


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text().lower()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_header_that_is_emitted_is_passed_on(name: str) -> None:
    """One that is forgotten would let the client's own through. S42"""
    text = text_of(name)
    assert [header for header in EMITTED if header.decode() not in text] == []


def test_nginx_and_caddy_replace_each_of_them() -> None:
    """S42"""
    nginx, caddy = text_of("nginx.conf"), text_of("Caddyfile")
    replaced = set(re.findall(r"proxy_set_header ([a-z-]+) \$", nginx))
    assert {header.decode() for header in EMITTED} <= replaced
    [copied] = re.findall(r"copy_headers (.*)", caddy)
    assert {header.decode() for header in EMITTED} - {REQUEST_ID.decode()} == set(copied.split())
    assert "request_header x-request-id" in caddy


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_headers_that_name_another_method_or_path_are_taken_away(name: str) -> None:
    """S42"""
    text = text_of(name)
    assert [header for header in (*OVERRIDES, b"x-forwarded-prefix") if header.decode() not in text] == []


@pytest.mark.parametrize(("path", "service"), [
    ("/api/auth/oauth/token", "auth-service"), ("/api/users", "user-management"), ("/api/orders/1", "order-processing"),
    ("/api/products", "product-catalog"), ("/api/inventory", "inventory-service"), ("/api/payments", "payment-service"),
    ("/api/marketplaces/trendyol/x", "trendyol-integration"), ("/api/marketplaces/amazon", "amazon-integration"),
    ("/api/marketplaces/n11", "n11-integration"), ("/api/marketplaces/hepsiburada", "hepsiburada-integration"),
    ("/api/marketplaces/ozon", "ozon-integration"), ("/api/files/1", "file-storage"), ("/api/search", "search-service"),
    ("/api/analytics", "analytics-service"), ("/api/reports", "reporting-service"), ("/api/admin/x", "config-service"),
    ("/api/notifications", "notification-service"),
])  # fmt: skip
def test_the_reference_routes_lead_to_the_companys_services(table: RouteTable, path: str, service: str) -> None:
    assert table.find(make_target(method="GET", scheme="https", host="api.example.com", uri=path)).service == service


def test_every_service_of_a_route_has_its_port_in_each_configuration(table: RouteTable) -> None:
    assert {route.service for route in table.routes} == set(PORTS)
    nginx, caddy = text_of("nginx.conf"), text_of("Caddyfile")
    clusters = envoy_clusters()
    for service, port in PORTS.items():
        assert f"upstream {service} {{ server 127.0.0.1:{port} " in nginx
        assert f"import service {service} 127.0.0.1:{port}\n" in caddy
        assert f"port_value': {port}" in str(clusters[service])


def envoy_clusters() -> Mapping[str, Mapping[str, object]]:
    document = YAML(typ="safe").load((DEPLOY / "envoy.yaml").read_text())
    return {each["name"]: each for each in document["static_resources"]["clusters"]}


def test_services_are_looked_at_every_thirty_seconds() -> None:
    assert text_of("Caddyfile").count("health_interval 30s") == 1
    assert all("'interval': '30s'" in str(each["health_checks"]) for each in envoy_clusters().values())
    assert text_of("nginx.conf").count("fail_timeout=30s") == len(PORTS)


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile", "envoy.yaml"])
def test_the_sites_whose_pages_may_call_are_those_of_the_routes(table: RouteTable, name: str) -> None:
    origins = {origin for route in table.routes for origin in route.origins}
    named = set(re.findall(r'"?(https://[a-z.]+)"?', text_of(name))) - {"https://id.example.com"}
    assert origins == {"https://app.example.com"}
    assert named - {"https://api.example.com"} == origins


def test_the_administration_asks_for_more_than_a_network(table: RouteTable) -> None:
    route = table.find(make_target(method="GET", scheme="https", host="api.example.com", uri="/api/admin/x"))
    assert route.needs.scopes == ("admin",)
    assert route.needs.authentication is not None
    assert route.needs.authentication.acr == ("urn:ostiary:aal2",)
    assert (route.sensitivity.value, route.origins, route.public) == ("sensitive", frozenset(), ())


def test_envoy_and_istio_let_nothing_pass_that_cannot_be_judged() -> None:
    """I6"""
    assert "failure_mode_allow: false" in text_of("envoy.yaml")
    assert "failopen: false" in text_of("istio.yaml")
    documents = list(YAML(typ="safe").load_all((DEPLOY / "istio.yaml").read_text()))
    assert [each["kind"] for each in documents] == ["IstioOperator", "AuthorizationPolicy", "VirtualService"]
