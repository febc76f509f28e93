"""Where the sign-in came from on the network: address, its network, the operator, the country, as one chain."""

from risk.chains import Compared
from risk.history import facets
from risk.sighting import Surroundings
from risk.values import Detail, Reason

LEAST, MOST = -4.0, 5.0

_NEW = {
    facets.COUNTRY: "country_new",
    facets.OPERATOR: "operator_new",
    facets.NETWORK: "network_new",
    facets.ADDRESS: "address_new",
}


def find_network(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """One reason, named after the coarsest level that is new, or `address_known`, `network_known`… where none is."""
    chain = facets.NETWORK_CHAIN
    deepest = compared.deepest(chain)
    new = compared.first_new(chain)
    if deepest is None and new is None:
        return ()
    odds = min(max(compared.network_odds, LEAST), MOST)
    if new is None:
        signal = {
            facets.ADDRESS: "address_known",
            facets.NETWORK: "network_known",
            facets.OPERATOR: "operator_known",
        }.get(deepest or facets.COUNTRY, "country_known")
    else:
        signal = _NEW[new]
    return (Reason(signal, odds, detail=_detail(compared, signal)),)


def _detail(compared: Compared, signal: str) -> Detail:
    place = compared.sighting.place
    if signal.startswith("country"):
        return {"country": place.country or ""}
    if signal.startswith("operator"):
        return {"operator": place.network_name or f"AS{place.asn}"}
    return {}
