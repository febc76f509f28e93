"""What a verification found, as a JSON document and as sentences for the person at the terminal."""

from collections.abc import Sequence
from datetime import datetime

from audit.bundle.verify import BundleVerdict
from audit.verification.values import Finding, LogVerdict


def log_document(verdict: LogVerdict) -> dict[str, object]:
    """The verdict over the whole log."""
    return {
        "ok": verdict.ok,
        "size": verdict.size,
        "present": verdict.present,
        "pruned": verdict.pruned,
        "erased": verdict.erased,
        "unnumbered": verdict.unnumbered,
        "checkpoints": verdict.checkpoints,
        "outside": verdict.outside,
        "covered": verdict.covered,
        "uncovered": verdict.uncovered,
        "uncovered_since": _moment(verdict.uncovered_since),
        "unnumbered_since": _moment(verdict.unnumbered_since),
        "key": verdict.key,
        "findings": _listed(verdict.findings),
        "finding_count": verdict.count,
    }


def log_words(verdict: LogVerdict) -> str:
    """The same in sentences."""
    lines = _verdict_lines(verdict.findings, verdict.count, good=f"The log is whole: {_events(verdict.size)}.")
    lines.append(
        f"{_events(verdict.present)} in the database, {verdict.pruned} removed by clean-ups (their hashes stay),"
        f" {verdict.erased} about erased people."
    )
    if verdict.covered:
        lines.append(f"Checkpoints from outside: {verdict.outside} read; the last that fits covers {verdict.covered}.")
    else:
        lines.append("No checkpoint from outside fits or was read: all this rests on the database's own word.")
    lines.append(
        f"Not covered by any: {_events(verdict.uncovered)} behind it{_since(verdict.uncovered_since)},"
        f" and {verdict.unnumbered} not numbered yet{_since(verdict.unnumbered_since)}."
    )
    lines.append(f"Key: {verdict.key}")
    return "\n".join(lines)


def bundle_document(verdict: BundleVerdict) -> dict[str, object]:
    """The verdict over a bundle."""
    return {
        "ok": verdict.ok,
        "origin": verdict.origin,
        "key": verdict.key,
        "key_given": verdict.key_given,
        "first": verdict.first,
        "last": verdict.last,
        "size": verdict.size,
        "hashes_only": verdict.hashes_only,
        "opened": verdict.opened,
        "erased": verdict.erased,
        "confirmed": verdict.confirmed,
        "unproven": verdict.unproven,
        "findings": _listed(verdict.findings),
        "finding_count": verdict.finding_count,
    }


def bundle_words(verdict: BundleVerdict) -> str:
    """The same in sentences."""
    good = f"The bundle holds: events {verdict.first} to {verdict.last} are in the log {verdict.origin}."
    lines = _verdict_lines(verdict.findings, verdict.finding_count, good=good)
    if verdict.hashes_only:
        lines.append(
            f"{_events(verdict.hashes_only)} came without a body: its maker says that clean-ups had removed them."
        )
    if verdict.opened or verdict.erased:
        lines.append(
            f"Personal fields of {verdict.opened} were checked; {verdict.erased} are said to be of erased people."
        )
    if verdict.confirmed:
        sizes = ", ".join(map(str, verdict.confirmed[:10]))
        lines.append(f"It fits the checkpoints that you gave, of {sizes} events.")
    else:
        lines.append(
            f"No checkpoint of yours confirms it: it fits its own, of {_events(verdict.size)}, which came with it."
        )
    if verdict.unproven:
        sizes = ", ".join(map(str, verdict.unproven[:10]))
        lines.append(f"It holds no proof that leads to the checkpoints of {sizes} events.")
    lines.append(f"Key: {verdict.key}")
    if not verdict.key_given:
        lines.append("That is the key which the bundle itself names: compare it with the one that you were told.")
    return "\n".join(lines)


def _verdict_lines(findings: Sequence[Finding], count: int, *, good: str) -> list[str]:
    if not count:
        return [good]
    lines = ["Wrong: " + findings[0].words + "."]
    lines += ["       " + each.words + "." for each in findings[1:]]
    if count > len(findings):
        lines.append(f"       and {count - len(findings)} more.")
    # What an attacker wrote must not move the cursor.
    return ["".join(char if char.isprintable() else "?" for char in line) for line in lines]


def _listed(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [{"first": each.first, "last": each.last, "words": each.words} for each in findings]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _since(at: datetime | None) -> str:
    return "" if at is None else f" (since {at:%Y-%m-%d %H:%M:%S} UTC)"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
