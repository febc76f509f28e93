"""What `ostiary doctor` finds at the operator's files of places and addresses."""

from collections.abc import Iterator
from datetime import UTC, datetime

from risk.places.address_lists import AddressList
from risk.places.geography import PlaceFile
from risk.places.place_databases import PlaceDatabase
from server.places import make_geography
from server.setting_sources import variable
from server.settings import Settings

# A start tests a few points of a database; here there is time.
_PROBES = 5000
_OLD_DAYS = 180


def check_places(settings: Settings, now: datetime | None = None) -> Iterator[tuple[bool, str]]:
    """For each file as it is now, whether it is right, and in words what was found and what to do."""
    geography = make_geography(settings, probes=_PROBES)
    geography.look_now()
    for file in geography.files:
        yield _found(file, now or datetime.now(UTC))
    if not geography.databases:
        yield True, "no database of places is set: cities and distances stay unknown; set OSTIARY_GEOIP_CITY"


def _found(file: PlaceFile, now: datetime) -> tuple[bool, str]:
    setting = _setting(file.name)
    content: object = file.content
    if file.fault is not None or content is None:
        return False, f"{file.path} {file.fault}: put a good file there, or take {setting} back; no restart is needed"
    if isinstance(content, AddressList):
        if content.remark:
            return False, f"{file.path} {content.remark}: correct it ({setting})"
        return True, f"{file.path} has {content.entries} entries"
    if isinstance(content, PlaceDatabase):
        age = (now - content.built_at).days
        if age > _OLD_DAYS:
            return False, f"{file.path} was made {age} days ago, and addresses move: get a new one ({setting})"
        return True, f"{file.path} is {content.kind!r} of {content.built_at:%Y-%m-%d}"
    return True, f"{file.path} is readable"


def _setting(name: str) -> str:
    kind = name.partition("_")[0]
    return variable(("risk", name)) if kind == "list" else variable((f"geoip_{kind}",))
