"""A schema's text as a row of tokens, read from the first to the last; Cedar has already found the text to be right."""

import re

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|::|[{}\[\]()<>,;:=?@]')
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(.))")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


class Tokens:
    """Where the reading stands."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def next(self) -> str:
        """The next token as it is written."""
        self._at += 1
        return str(self._tokens[self._at - 1])

    def taken(self, token: str) -> bool:
        """True where the next token is this one, which is then read."""
        is_next = not self.is_done() and self._tokens[self._at] == token
        self._at += is_next
        return is_next

    def is_done(self) -> bool:
        """True behind the last token."""
        return self._at >= len(self._tokens)

    def path(self) -> str:
        """A name with its namespaces: `Shop::Order`."""
        path = self.next()
        while self.taken("::"):
            path += "::" + self.next()
        return path

    def listed(self) -> tuple[str, ...]:
        """One path, or several in brackets; a string at the end of a path stays as it is written."""
        if not self.taken("["):
            return (self.path(),)
        found = []
        while not self.taken("]"):
            found.append(self.path())
            self.taken(",")
        return tuple(found)

    def names(self) -> tuple[str, ...]:
        """Names between commas, each plain or in quotes."""
        found = [plain(self.next())]
        while self.taken(","):
            found.append(plain(self.next()))
        return tuple(found)

    def skip_annotations(self) -> None:
        """Past `@doc("…")` and the like."""
        while self.taken("@"):
            self.next()
            if self.taken("("):
                self.next()
                self.next()


def plain(token: str) -> str:
    """A name without quotes and escapes."""
    return _ESCAPE.sub(_letter, token[1:-1]) if token.startswith('"') else token


def quoted(name: str) -> str:
    """A name in quotes, as a schema writes it."""
    letters = (each if each.isprintable() and each not in '"\\' else f"\\u{{{ord(each):x}}}" for each in name)
    return f'"{"".join(letters)}"'


def _letter(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _LETTERS.get(found[3], found[3])
