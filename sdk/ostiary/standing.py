"""Whether a proven token still stands: what the feed says, how old that is, what the issuer answered. No I/O."""

from ostiary.errors import ConfigurationError, FeedUnavailable, TokenError, TokenErrorCode
from ostiary.failure_policy import Action, FailurePolicy, Sensitivity
from ostiary.feed_source import FeedSource
from ostiary.introspected import Answers
from ostiary.revocations import Revocations
from ostiary.values import AccessToken


def open_standing(
    feed: FeedSource | None, policy: FailurePolicy | None, *, expected_issuer: str, can_introspect: bool
) -> "Standing | None":
    """The rules over this feed, None without one; ConfigurationError for what would protect nobody."""
    if feed is not None:
        if feed.issuer != expected_issuer:
            raise ConfigurationError("feed must be the feed of the verifier's issuer")
        return Standing(feed, policy or FailurePolicy(), can_introspect=can_introspect)
    if policy is not None or can_introspect:
        raise ConfigurationError("failure_policy and introspector are for a verifier with a feed")
    return None


class Standing:
    """The rules over one feed. Safe between threads."""

    def __init__(self, feed: FeedSource, policy: FailurePolicy, *, can_introspect: bool) -> None:
        self.feed = feed
        self.policy = policy
        self.answers = Answers(policy)
        self._can_introspect = can_introspect

    def check(self, token: AccessToken, kid: str, *, known: Revocations) -> AccessToken:
        """The token with what is known since it was issued, or TokenError where it was revoked."""
        words = known.refusal(token, kid)
        if words is None and self.answers.is_refused(token.jti):
            words = "the issuer says that the token is no longer active"
        if words is not None:
            raise TokenError(TokenErrorCode.REVOKED, words)
        return known.overlay(token)

    def decide(self, token: AccessToken, sensitivity: Sensitivity, *, tick: float) -> Action:
        """What is left to do for a token that nothing known refuses; FeedUnavailable where nobody can tell.

        ACCEPT_AND_INTROSPECT is said to one request at a time for a token: to the one that now has to ask.
        """
        if type(sensitivity) is not Sensitivity:
            raise ConfigurationError("sensitivity must be a member of Sensitivity")
        age_s = self.feed.age_s()
        if age_s < self.policy.fresh_for_s:
            return Action.ACCEPT
        action = self.policy.decide(sensitivity, self.policy.state(age_s), can_introspect=self._can_introspect)
        match action:
            case Action.UNAVAILABLE:
                raise self.unavailable("the feed is cut off")
            case Action.INTROSPECT if self.answers.is_believed(token.jti, tick=tick):
                return Action.ACCEPT
            case Action.ACCEPT_AND_INTROSPECT if not self.answers.begin(token.jti, tick=tick):
                return Action.ACCEPT
        return action

    def take_answer(
        self, token: AccessToken, is_active: object, *, asked_at: float, ends_at: float, now: float
    ) -> None:
        """Remember what the issuer answered; TokenError where that is no, FeedUnavailable where it is neither."""
        if not isinstance(is_active, bool):
            raise self.unavailable("the introspector answered neither yes nor no")
        self.answers.record(token.jti, is_active=is_active, asked_at=asked_at, ends_at=ends_at, now=now)
        if not is_active:
            raise TokenError(TokenErrorCode.REVOKED, "the issuer says that the token is no longer active")

    def unanswered(self, error: Exception, *, tick: float) -> FeedUnavailable:
        """The error for the caller when the issuer could not be asked; nobody asks behind a request for a while."""
        self.answers.record_failure(tick=tick)
        return self.unavailable(f"{type(error).__name__}: {error}")

    def unavailable(self, reason: str) -> FeedUnavailable:
        """The error for the caller: our own trouble."""
        return FeedUnavailable(retry_after_s=self.policy.retry_after_s, reason=reason[:200])
