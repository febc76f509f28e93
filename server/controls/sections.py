"""The sections of a controls page: all at a glance, one for each control, and what lies outside this server."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.reports.model import Column, Figure, Passage, Section, Table
from audit.reports.scope import Scope, SectionMaker
from audit.reports.words import Words
from audit.verification.values import LogVerdict
from server.controls.checks import Answer, Check, Control, Facts
from server.controls.frameworks import Framework
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class _Page:
    """One page under way. A check that several controls name runs for each: what it says is as fresh as they are."""

    settings: Settings
    framework: Framework
    verdict: LogVerdict

    async def overview(self, scope: Scope) -> Section:
        """Every control with how many of its checks pass."""
        words = scope.words
        rows, passing = [], 0
        for control in self.framework.controls:
            answers = [await check.run(self._facts(scope)) for check in control.checks]
            passing += all(answer.holds for answer in answers)
            rows.append((control.number, words.text(control.title), _results(answers, words),
                         sum(answer.failing for answer in answers)))  # fmt: skip
        count = len(rows)
        return Section(
            key="overview",
            title=words.text("All controls"),
            summary=words.text(
                "By this server's records, nothing fails at {passing} of {count} controls.",
                passing=words.number(passing), count=words.number(count),
            ),
            figures=(
                Figure(key="controls", label=words.text("Controls"), value=count, is_key=True),
                Figure(key="passing", label=words.text("Nothing fails"), value=passing, is_key=True),
                Figure(key="failing", label=words.text("Something fails"), value=count - passing, is_key=True),
                Figure(key="outside", label=words.text("Outside this server"), value=len(self.framework.outside),
                       is_key=True),
            ),
            tables=(
                Table(
                    key="controls",
                    title=words.text("Controls"),
                    columns=(
                        Column("number", words.text("Control"), "id"),
                        Column("title", words.text("About")),
                        Column("result", words.text("Result")),
                        Column("failing", words.text("Failing rows"), "number"),
                    ),
                    rows=tuple(rows),
                    empty="",
                ),
            ),
        )  # fmt: skip

    def section_of(self, control: Control) -> SectionMaker:
        """The maker of one control's section."""

        async def make(scope: Scope) -> Section:
            answers = [(check, await check.run(self._facts(scope))) for check in control.checks]
            words = scope.words
            passages: list[Passage] = []
            for check, answer in answers:
                passages += _passages(check, answer, self.settings, words)
            return Section(
                key=control.number.lower().replace(".", "-"),
                title=f"{control.number} · {words.text(control.title)}",
                summary=words.text("What is asked: {asks}", asks=words.text(control.asks)),
                tables=(_table(answers, words),),
                passages=tuple(passages),
            )

        return make

    async def outside(self, scope: Scope) -> Section:
        """What others have to show."""
        words = scope.words
        return Section(
            key="outside",
            title=words.text("Outside this server"),
            summary=words.text("This server has no records that could show these; others must."),
            tables=(
                Table(
                    key="outside",
                    title="",
                    columns=(
                        Column("number", words.text("Control"), "id"),
                        Column("title", words.text("About")),
                        Column("why", words.text("Why, and whose it is")),
                    ),
                    rows=tuple(
                        (each.number, words.text(each.title), words.text(each.why)) for each in self.framework.outside
                    ),
                    empty="",
                ),
            ),
        )

    def _facts(self, scope: Scope) -> Facts:
        return Facts(scope, self.settings, self.verdict)


def make_sections(settings: Settings, framework: Framework, verdict: LogVerdict) -> tuple[SectionMaker, ...]:
    """The makers of a framework's page, in its order."""
    page = _Page(settings, framework, verdict)
    return (page.overview, *(page.section_of(control) for control in framework.controls), page.outside)


def _table(answers: list[tuple[Check, Answer]], words: Words) -> Table:
    return Table(
        key="checks",
        title="",
        columns=(
            Column("check", words.text("What is checked")),
            Column("name", words.text("Query"), "id", is_beneath=True),
            Column("counts", words.text("What a failing row is")),
            Column("result", words.text("Result")),
            Column("failing", words.text("Failing"), "number"),
            Column("looked_at", words.text("Looked at"), "number"),
        ),
        rows=tuple(
            (words.text(check.title), check.name, words.text(check.counts), _result(answer, words), answer.failing,
             answer.looked_at)
            for check, answer in answers
        ),
        empty="",
    )  # fmt: skip


def _results(answers: Sequence[Answer], words: Words) -> str:
    """What all checks of a control say together."""
    unset = next((answer for answer in answers if not answer.is_set), None)
    return _verdict(all(answer.holds for answer in answers), words) if unset is None else _result(unset, words)


def _result(answer: Answer, words: Words) -> str:
    if not answer.is_set:
        return words.text("Fails: the setting does not suffice")
    return _verdict(answer.holds, words)


def _verdict(held: bool, words: Words) -> str:
    return words.text("Passes") if held else words.text("Fails")


def _passages(check: Check, answer: Answer, settings: Settings, words: Words) -> list[Passage]:
    """What is done, how anybody asks the same, and a row that fails."""
    example = answer.example or check.constructed
    label = (
        words.text("A row that fails, from this deployment")
        if answer.example
        else words.text("A row that would fail (constructed: there is none here)")
    )
    return [
        Passage(check.does(settings, words), title=words.text(check.title)),
        Passage("\n".join((f"# {check.name}", *check.commands)), True),
        Passage(example, True, label),
    ]
