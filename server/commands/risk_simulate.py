"""`ostiary risk simulate`: a made-up data set to evaluate the score on."""

from pathlib import Path

import click

from base.errors import NotReady
from risk.evaluation.simulate.parameters import as_table
from risk.evaluation.simulate.world import make_world
from risk.evaluation.writing import write_rows
from server.commands.frame import Frame, framed
from server.commands.progress import Counting


@click.command("simulate")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The new CSV file.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which world; the same file again.")
@click.option("--people", type=click.IntRange(1, 100_000), default=500, show_default=True, help="How many people.")
@click.option("--days", type=click.IntRange(7, 1_500), default=240, show_default=True, help="How many days.")
@click.option("--takeovers", type=click.IntRange(1, 100_000), help="Of each kind; a sixth of the people, at least 100.")
@framed
def simulate(frame: Frame, *, out: Path, seed: int, people: int, days: int, takeovers: int | None) -> None:
    """Make a file of a made-up world's sign-ins, with attackers of five kinds.

    It has the columns of the public RBA data set (docs/risk.md).
    Every rate of the world (trips, lost cookies, shared addresses …) is drawn anew for each seed.
    """
    if out.exists():
        raise click.UsageError(f"{out} exists already; a data set is written to a new file")
    progress = Counting("simulated", frame.say, things="people")
    world = make_world(seed, people=people, days=days, takeovers=takeovers, told=progress.told)
    progress.clear()
    try:
        with out.open("x", encoding="utf-8", newline="") as file:
            rows = write_rows(file, world.rows, attack_addresses=world.attack_addresses)
    except OSError as failure:
        raise NotReady(f"{out}: {failure.strerror}") from None
    document = {
        "file": str(out),
        "rows": rows,
        "people": people,
        "seed": seed,
        "parameters": as_table(world.parameters),
    }
    frame.answer(document, f"{rows} sign-ins of {people} people are in {out}")
