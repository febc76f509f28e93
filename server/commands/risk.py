"""`ostiary risk status|calibrate|replay|evaluate|simulate`: the score, measured and tuned; a file each."""

import click

from server.commands.risk_calibrate import calibrate
from server.commands.risk_evaluate import evaluate
from server.commands.risk_replay import replay
from server.commands.risk_report import report, withdraw
from server.commands.risk_simulate import simulate
from server.commands.risk_status import status


@click.group("risk")
def command() -> None:
    """The risk score: how good it is, and how it is tuned."""


for _each in (status, report, withdraw, calibrate, replay, evaluate, simulate):
    command.add_command(_each)
