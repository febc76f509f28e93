"""`python -m feed.vectors`: writes docs/feed-vectors.json."""

from pathlib import Path

from feed.vectors.document import make

PLACE = Path(__file__).resolve().parents[2] / "docs" / "feed-vectors.json"

if __name__ == "__main__":
    PLACE.write_bytes(make())
