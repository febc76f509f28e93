"""What Keycloak, Auth0 and Django really write of people, with their passwords: examples made by those systems."""

from __future__ import annotations

import json

DJANGO_PASSWORD = "kırmızı tren 42"
# Written by make_password() of Django 5.2.19 with its own settings, one a hasher.
DJANGO = {
    "pbkdf2_sha256": "pbkdf2_sha256$1000000$JvW0tZXoxASmwFEzqmK1DQ$5lp5P9bgHBcbvyLZcLI0oLMfeSq+NZ7krJJWTVDXLrY=",
    "pbkdf2_sha1": "pbkdf2_sha1$1000000$OBxHcG77loxdB7PFRtvl1z$nhuv4Ayfd9idALkzE9LhMEfFhIM=",
    "argon2": (
        "argon2$argon2id$v=19$m=102400,t=2,p=8$Z3lsNERyWHJ5QTNpM04yVXRJZXI0Tw"
        "$6AIglHn/EnsqDFJujgRvLiqwMo516kT+WTBzSef7/IE"
    ),
    "bcrypt_sha256": "bcrypt_sha256$$2b$12$/MqsxOdFC2ljvp/kWQjLcujw0McaO8GxAt34PgfT4F3TH15fIHLXa",
    "bcrypt": "bcrypt$$2b$12$Pz1E.wu0Y6ID1jEbmmzx2.iBfvYRNV2827pvHWUUAZ8AAN1uDYB1W",
    "scrypt": (
        "scrypt$16384$2spvnxbWWgXa1P5BPnlaLi$8$5$C4aHUk/hTtloDkSIM7+dSQ3Ea/UW+9C/yXL6Ht0ecQV9+kTWsQT8UKo7JmwlMPK0"
        "iPk581BYhhi4bx74JlBiuQ=="
    ),
}
DJANGO_UNUSABLE = "!sz5OVMewkf783GwIeNC6yPFhKIMm23Mi8dMWX0sa"


def keycloak_credential(value: str, salt: str, iterations: int, algorithm: str, **more: list[str]) -> dict[str, object]:
    """A credential of type `password`, in the shape of a realm export since Keycloak 8."""
    return {
        "id": "ee3275b8-870f-449b-90c5-496074689078",
        "type": "password",
        "createdDate": 1611230538676,
        "secretData": json.dumps({"value": value, "salt": salt, "additionalParameters": {}}),
        "credentialData": json.dumps(
            {"hashIterations": iterations, "algorithm": algorithm, "additionalParameters": more}
        ),
    }


# From published realm exports whose passwords are known, by password.
KEYCLOAK = {
    "password": keycloak_credential(
        "JsfNbCOIdZUbyBJ+BT+VoGI91Ec2rWLOvkLPDaX8e9k=", "P5rtFkGtPfoaryJ6PizUJw==", 27500, "pbkdf2-sha256"
    ),
    # 64 bytes long, as versions before 9 made them.
    "user1": keycloak_credential(
        "gI7lGJLNUQfn6xcMUtLp0XnOIF3JdaoAj8IogosYZsDg4Q5cFxG5JkJrKZpR7mIG5MxlH346ikZKsiZovvFKDQ==",
        "H1Yjwf5UUIip/deJSkNJ+Q==",
        27500,
        "pbkdf2-sha256",
    ),
    # What version 26 makes.
    "secret": keycloak_credential(
        "xKjWvB9+0sSP6wTqI1JoEI7w+iA0x9VDhPgmrOHRG80=",
        "LRScGShC7shkdoU5B1UgUQ==",
        5,
        "argon2",
        hashLength=["32"],
        memory=["7168"],
        type=["id"],
        version=["1.3"],
        parallelism=["1"],
    ),
}


def keycloak_user(**changes: object) -> dict[str, object]:
    """A user of a realm export with everything that such a user has."""
    return {
        "id": "3cd03985-e069-4971-9201-e1aa31ccc8b0",
        "createdTimestamp": 1611230553569,
        "username": "ada",
        "enabled": True,
        "totp": False,
        "emailVerified": True,
        "firstName": "Ada",
        "lastName": "Byron",
        "email": "ada@example.com",
        "attributes": {"locale": ["tr"], "phoneNumber": ["+905551112233"], "team": ["engines"]},
        "credentials": [{"type": "otp", "secretData": "{}", "credentialData": "{}"}, KEYCLOAK["password"]],
        "disableableCredentialTypes": [],
        "requiredActions": [],
        "realmRoles": ["default-roles-example"],
        "notBefore": 0,
        "groups": [],
        **changes,
    }


def auth0_user(**changes: object) -> dict[str, object]:
    """A line of Auth0's export with password hashes (bcrypt of `correct horse`, cheap)."""
    return {
        "_id": {"$oid": "5dea9f9c82dd7c0e76e4ec93"},
        "email_verified": True,
        "email": "ada@example.com",
        "passwordHash": "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "password_set_date": {"$date": "2019-12-06T18:36:12.412Z"},
        "tenant": "example",
        "connection": "Username-Password-Authentication",
        "_tmp_is_unique": True,
        **changes,
    }


def django_record(**changes: object) -> dict[str, object]:
    """A record of `dumpdata auth.user`."""
    fields: dict[str, object] = {
        "password": DJANGO["scrypt"],
        "last_login": None,
        "is_superuser": True,
        "username": "ada",
        "first_name": "Ada",
        "last_name": "Byron",
        "email": "ada@example.com",
        "is_staff": False,
        "is_active": True,
        "date_joined": "2026-01-05T08:00:00Z",
        "groups": [],
        "user_permissions": [],
        **changes,
    }
    return {"model": "auth.user", "pk": 1, "fields": fields}
