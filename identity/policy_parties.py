"""Subjects and resources as AuthZEN names them, found among people, applications and APIs."""

import re
from collections.abc import AsyncIterator, Mapping

from identity.policy_facts import load_api, load_application, load_service, load_subject, load_subjects
from identity.services import Services
from policy.values import Entity, EntityRef

# What callers may call our own types; a name with `::` is one of the schema.
OUR_TYPES: Mapping[str, str] = {
    "person": "Ostiary::Person",
    "user": "Ostiary::Person",
    "service": "Ostiary::Service",
    "client": "Ostiary::Service",
    "application": "Ostiary::Application",
    "api": "Ostiary::Api",
    "route": "Ostiary::Route",
    "administration": "Ostiary::Administration",
}
_CEDAR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)+")
_PAGE = 100


def full_type(name: str) -> str | None:
    """The schema's name of a type, or None for one that cannot be there."""
    return OUR_TYPES.get(name) or (name if _CEDAR_NAME.fullmatch(name) else None)


async def find_party(
    services: Services, type_name: str, party_id: str, properties: Mapping[str, object]
) -> Entity | None:
    """What is known of a subject or a resource, or None.

    People, applications and APIs are those of the database: nothing that the caller says of them counts (S18). Of
    everything else only the caller knows, so it is taken as described.
    """
    full = full_type(type_name)
    match full:
        case None:
            return None
        case "Ostiary::Person":
            return await load_subject(services.database, party_id, mail_code=services.settings.has_mail)
        case "Ostiary::Service":
            return load_service(services.catalogue, party_id)
        case "Ostiary::Application":
            return load_application(services.catalogue, party_id)
        case "Ostiary::Api":
            return load_api(services.catalogue, party_id)
        case _:
            return Entity(EntityRef(full, party_id), properties)


async def list_parties(services: Services, type_name: str, after: str) -> AsyncIterator[Entity]:
    """Everybody, or everything, of a type of ours by id, behind `after`; nothing for types whose members others keep.

    People are those in state active.
    """
    full = full_type(type_name)
    if full == "Ostiary::Person":
        async for person in _list_people(services, after):
            yield person
        return
    find = {
        "Ostiary::Service": load_service,
        "Ostiary::Application": load_application,
        "Ostiary::Api": load_api,
    }.get(full or "")
    if find is None:
        return
    catalogue = services.catalogue
    for each in sorted(catalogue.api_identifiers if full == "Ostiary::Api" else catalogue.client_ids):
        found = find(catalogue, each) if each > after else None
        if found is not None:
            yield found


async def _list_people(services: Services, after: str) -> AsyncIterator[Entity]:
    while True:
        page = await load_subjects(services.database, after, _PAGE, mail_code=services.settings.has_mail)
        for person in page:
            yield person
        if len(page) < _PAGE:
            return
        after = page[-1].ref.id
