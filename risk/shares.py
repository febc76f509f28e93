"""A score's points among its reasons: whole numbers that sum to the score."""

from collections.abc import Sequence

from risk.values import Reason

BASELINE = "baseline"
_SEVERAL = "reported"


def with_points(reasons: Sequence[Reason], score: int, baseline: int) -> tuple[Reason, ...]:
    """The reasons with their points, the heaviest first; `baseline` takes what no reason raised.

    `baseline`: the score without the reasons that raise it. The rest goes to those by their log-odds, by the method of
    the largest remainder; equals go by the name of the signal, so that every process shares alike.
    """
    ordered = sorted(reasons, key=_order)
    raising = [each for each in ordered if each.log_odds > 0.0]
    others = [each for each in reversed(ordered) if each.log_odds <= 0.0]
    kept = min(baseline, score) if raising else score
    rest, total = score - kept, sum(each.log_odds for each in raising)
    exact = [rest * each.log_odds / total for each in raising]
    whole = [int(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in by_remainder[: rest - sum(whole)]:
        whole[place] += 1
    shared = [
        Reason(each.signal, each.log_odds, points, each.detail) for each, points in zip(raising, whole, strict=True)
    ]
    if kept:
        shared.append(Reason(BASELINE, 0.0, kept))
    return (*shared, *others)


def _order(reason: Reason) -> tuple[float, str, str]:
    # Only reports come several at a time; a text of every detail would cost more than all the rest here.
    return (-reason.log_odds, reason.signal, str(reason.detail) if reason.signal == _SEVERAL else "")
