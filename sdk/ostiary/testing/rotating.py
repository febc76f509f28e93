"""An issuer whose keys never stay."""

import time
from collections.abc import Callable, Collection, Mapping

from ostiary.testing.issuer import Claims, FakeIssuer
from ostiary.testing.keys import FakeKey, make_key


class RotatingKeys(FakeIssuer):
    """A `FakeIssuer` that signs with another key after every `every` tokens, or when `rotate` is called.

    The last `overlap` keys stay published beside the current one, and the next one is published before it signs, as a
    good issuer does it; `overlap=0, ahead=False` is a bad one. `withdraw` takes a key away at once.
    """

    def __init__(
        self,
        issuer: str = "https://issuer.test",
        *,
        audience: str = "https://api.test",
        alg: str = "ES256",
        every: int | None = None,
        overlap: int = 1,
        ahead: bool = True,
        max_age_s: int = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if every is not None and every < 1:
            raise ValueError("every must be 1 or more, or None")
        if overlap < 0:
            raise ValueError("overlap must be 0 or more")
        super().__init__(issuer, audience=audience, alg=alg, max_age_s=max_age_s, clock=clock)
        self.rotations = 0
        self._every = every
        self._overlap = overlap
        self._minted = 0
        self._older: list[FakeKey] = []
        self._following = make_key(alg) if ahead else None
        self._publish()

    def mint(
        self,
        changes: Claims | None = None,
        /,
        *,
        ttl_s: int = 300,
        omit: Collection[str] = (),
        headers: Mapping[str, object] | None = None,
        key: FakeKey | None = None,
    ) -> str:
        """As `FakeIssuer.mint`; every so often by a new key."""
        if self._every is not None and self._minted and self._minted % self._every == 0:
            self.rotate()
        self._minted += 1
        return super().mint(changes, ttl_s=ttl_s, omit=omit, headers=headers, key=key)

    def rotate(self, *, alg: str | None = None, withdraw: bool = False) -> FakeKey:
        """Sign with the next key from now on; with `withdraw`, no older one stays published."""
        following = self._following
        kept = [] if withdraw else [self.key, *self._older]
        self.key = (
            following if following is not None and alg in (None, following.alg) else make_key(alg or self.key.alg)
        )
        self._keys = {**({} if withdraw else self._keys), self.key.kid: self.key}
        self._older = kept[: self._overlap]
        self._following = make_key(self.key.alg) if following is not None else None
        self.rotations += 1
        self._publish()
        return self.key

    def withdraw(self, kid: str) -> None:
        """Take a key away at once; where it is the current one, the next one signs. Tell a `FakeFeed` by its own call.

        KeyError where no such key is published.
        """
        if kid not in {each["kid"] for each in self.published}:
            raise KeyError(kid)
        if kid == self.key.kid:
            self.rotate()
        if self._following is not None and self._following.kid == kid:
            self._following = make_key(self.key.alg)
        self._older = [each for each in self._older if each.kid != kid]
        self._keys.pop(kid, None)
        self._publish()

    def _publish(self) -> None:
        following = [] if self._following is None else [self._following]
        self.published = [each.as_jwk() for each in (self.key, *self._older, *following)]
