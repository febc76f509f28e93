"""Texts that are nested so deep that reading them would end the process: Cedar follows expressions by recursion."""

import re

# Both far beyond what people write, and a fraction of what a thread's stack takes.
_DEEPEST = 100
_MOST_STEPS = 1_000
# Strings and comments first, as Cedar reads them: what stands in them counts for nothing.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n\r]*|&&|\|\||::|\bif\b|[-+*!.<>()\[\]{};]')
_OPENING, _CLOSING = frozenset("([{<"), frozenset(")]}>")


def check_policies(text: str) -> None:
    """Raises ValueError where brackets, or the steps of one policy (operators, attributes), are too many to be read."""
    depth = steps = 0
    for token in _TOKEN.findall(text):
        if token == ";":
            steps = 0
        elif token in ")]}":
            depth = max(0, depth - 1)
        elif token[0] not in '"/<>:':
            steps += 1
            depth += token in "([{"
            if depth > _DEEPEST:
                raise ValueError(f"brackets stand in one another, expected at most {_DEEPEST}")
            if steps > _MOST_STEPS:
                most = f"{_MOST_STEPS} operators, attributes and brackets"
                raise ValueError(f"a policy is too long to be read, expected at most {most}")


def check_schema(text: str) -> None:
    """Raises ValueError where types stand in one another too deep to be read."""
    depth = 0
    for token in _TOKEN.findall(text):
        depth = max(0, depth + (token in _OPENING) - (token in _CLOSING))
        if depth > _DEEPEST:
            raise ValueError(f"types stand in one another, expected at most {_DEEPEST}")
