"""Sets of defaults under one name: what a profile sets where nothing else is set."""

from collections.abc import Mapping

from server.setting_sources import SettingPath

# PCI DSS 4.0: §8.2.8 idle, §8.3.4 lockout, §8.4.2 second factors.
PROFILES: Mapping[str, Mapping[SettingPath, object]] = {
    "standard": {},
    "strict": {
        ("mfa", "required"): True,
        ("mfa", "grace_days"): 0,
        ("mfa", "remember_days"): 0,
        ("password", "min_length"): 15,
    },
    "pci": {
        ("mfa", "required"): True,
        ("lockout", "failures"): 10,
        ("lockout", "duration_s"): 1800,
        ("session", "idle_s"): 900,
    },
}


def check_profile(value: object) -> str:
    """A profile's name; raises ValueError for any other text."""
    if value == "fapi":
        raise ValueError("the profile fapi does not work yet; `standard`, `strict` and `pci` do")
    if value not in PROFILES:
        raise ValueError("expected standard, strict or pci")
    return str(value)
