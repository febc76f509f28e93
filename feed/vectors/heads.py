"""Heads that hold, and heads that every follower refuses."""

from base.secret_values import b64url
from feed.vectors.log import EPOCH, head_payload, make_head
from feed.vectors.signing import OTHER_KEY, sign_head, sign_with_public_key, unsigned


def good_heads() -> list[dict[str, object]]:
    """One of the empty log, one of its middle, one of its end."""
    return [{"seq": seq, "payload": head_payload(seq), "jws": make_head(seq)} for seq in (0, 5, 12)]


def bad_heads() -> list[dict[str, str]]:
    """Each with the reason in words; none may change what a follower knows, or keep its lease."""
    good, jws = head_payload(5), make_head(5)
    without_up = {name: value for name, value in good.items() if name != "up"}
    parts = jws.split(".")
    cases = {
        "the type of an access token": sign_head(good, header={"typ": "at+jwt"}),
        "signed by a key that the issuer never published": sign_head(good, key=OTHER_KEY),
        "a key id that the issuer does not publish": sign_head(good, header={"kid": "nobody"}),
        "an algorithm that is not the key's": sign_head(good, header={"alg": "ES384"}),
        "signed with the public key as a secret": sign_with_public_key(good),
        "not signed": unsigned(good),
        "another payload under the signature": ".".join((parts[0], make_head(6).split(".")[1], parts[2])),
        "an extension that must be understood": sign_head(good, header={"crit": ["b64"], "b64": True}),
        "of another issuer": sign_head({**good, "iss": "https://id.example.org"}),
        "without `up`": sign_head(without_up),
        "`seq` as text": sign_head({**good, "seq": "5"}),
        "`seq` as true": sign_head({**good, "seq": True}),
        "`seq` below 0": sign_head({**good, "seq": -1}),
        "an epoch in capitals": sign_head({**good, "epoch": EPOCH.upper()}),
        "a chain of 31 bytes": sign_head({**good, "chain": b64url(bytes(31))}),
        "cut off": jws[:-4],
        "something after it": jws + "\n",
    }
    return [{"why": why, "jws": text} for why, text in cases.items()]
