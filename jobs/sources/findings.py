"""What an import did not take as it stood: facts left empty, lines left out, formats found; counted, with examples."""

from collections.abc import Iterator
from dataclasses import dataclass, field

SHOWN = 60  # characters of an example


@dataclass
class Findings:
    """The findings of one file: how often each was made with its first example, and notes on what its columns mean."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, count: int, line: int, text: str | None, hint: str = "") -> None:
        """Counts a finding; `line`, `text` and what to do about it (`hint`) are of the first one here."""
        if what not in self.counts:
            shown = "" if text is None else f": {text[:SHOWN]!r}{'…' if len(text) > SHOWN else ''}"
            self.examples[what] = f"line {line:,}{shown}{hint and f' ({hint})'}"
        self.counts[what] = self.counts.get(what, 0) + count

    def __iter__(self) -> Iterator[str]:
        """A sentence for each."""
        for column, note in self.notes.items():
            yield f"{column}: {note}"
        for what, count in self.counts.items():
            yield f"{what}: {count:,}, first in {self.examples[what]}"
