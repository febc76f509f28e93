"""What the verification of an evidence bundle found, as a JSON document and as sentences."""

from audit.evidence.verify import EvidenceVerdict


def evidence_document(verdict: EvidenceVerdict) -> dict[str, object]:
    """The verdict for programs."""
    manifest, events = verdict.manifest, verdict.events
    return {
        "ok": verdict.ok,
        "wrong": list(verdict.wrong),
        "origin": manifest.origin,
        "key": manifest.key,
        "key_given": verdict.key_given,
        "made_at": manifest.made_at,
        "report": manifest.report,
        "from": manifest.period.from_at,
        "until": manifest.period.until_at,
        "first": manifest.numbers and manifest.numbers.first,
        "last": manifest.numbers and manifest.numbers.last,
        "in_period": manifest.numbers.in_period if manifest.numbers else 0,
        "size": manifest.checkpoint_size,
        "hashes_only": events.hashes_only if events else 0,
        "opened": events.opened if events else 0,
        "erased": events.erased if events else 0,
        "confirmed": verdict.confirmed,
        "personal": manifest.personal,
        "files": sorted(manifest.files),
    }


def evidence_words(verdict: EvidenceVerdict) -> str:
    """The same in sentences."""
    manifest, numbers, events = verdict.manifest, verdict.manifest.numbers, verdict.events
    if verdict.wrong:
        first, *others = verdict.wrong
        lines = [f"Wrong: {first}.", *(f"       {each}." for each in others)]
    else:
        lines = ["The evidence holds: every file is as it was signed."]
        if numbers is None:
            lines.append("Its period has no events. That is the log's own word: there is nothing here to prove it by.")
        else:
            lines.append(
                f"Events {numbers.first} to {numbers.last} are in the log {manifest.origin} of"
                f" {manifest.checkpoint_size} events; {numbers.in_period} of them are of the period."
            )
    lines.append(f"Period: {manifest.period.from_at} to {manifest.period.until_at}, report {manifest.report}.")
    if events is not None and events.hashes_only:
        lines.append(f"{events.hashes_only} events had been removed by clean-ups: only their hashes are here.")
    if events is not None and events.erased:
        lines.append(f"{events.erased} events are about erased people; their personal fields cannot be opened.")
    if verdict.confirmed:
        lines.append(f"It fits the checkpoints that you kept, of {', '.join(map(str, verdict.confirmed[:10]))} events.")
    elif numbers is not None:
        lines.append("No checkpoint of yours confirms it: it fits those that came with it.")
    lines.append(manifest.personal_words)
    lines.append(f"Key: {manifest.key}")
    if not verdict.key_given:
        lines.append("That is the key which the bundle itself names: compare it with the one that you were told.")
    # What an attacker wrote must not move the cursor.
    return "\n".join("".join(char if char.isprintable() else "?" for char in line) for line in lines)
