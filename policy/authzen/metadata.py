"""What a policy decision point says of itself (OpenID Authorization API 1.0 §9)."""

from collections.abc import Mapping

from policy.authzen.searches import Sought

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SEARCHES: Mapping[Sought, str] = {
    "subject": "/access/v1/search/subject",
    "resource": "/access/v1/search/resource",
    "action": "/access/v1/search/action",
}
CONFIGURATION = "/.well-known/authzen-configuration"


def authzen_metadata(issuer: str) -> dict[str, object]:
    """The members of the metadata document; the decision point's identifier is the issuer."""
    return {
        "policy_decision_point": issuer,
        "access_evaluation_endpoint": issuer + EVALUATION,
        "access_evaluations_endpoint": issuer + EVALUATIONS,
        **{f"search_{sought}_endpoint": issuer + path for sought, path in SEARCHES.items()},
    }
