r"""Escape characters of delimited text, as MySQL (`\"`, `\N`) and PostgreSQL's COPY (`\t`, `\N`) write them.

An escaped character is hidden behind a noncharacter of Unicode while quotes, delimiters and line ends are looked for,
and put into the cells afterwards. Noncharacters that the file itself holds become U+FFFD.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sources.cells.scalars import bits, holding
from jobs.sources.quotes import Block

MARK, OWN, QUOTE, DELIMITER, END = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"  # \ before another; \\ \" \, \LF
RESERVED = f"[{MARK}{OWN}{QUOTE}{DELIMITER}{END}]"
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "Z": "\x1a"}
NULL = r"\N"


@dataclass(frozen=True)
class Escapes:
    """An escape character, and the delimiter and quote (empty: none) that it may stand before."""

    escape: str
    delimiter: str
    quote: str

    @cached_property
    def _hidden(self) -> Mapping[str, str]:
        """What stands in the file → what stands for it; one's own first, so that pairs are read from left to right."""
        quoted = {self.escape + self.quote: QUOTE} if self.quote else {}
        own = {self.escape * 2: OWN, **quoted, self.escape + self.delimiter[0]: DELIMITER}
        return {**own, self.escape: MARK}

    def hide(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The blocks with escapes hidden; lines whose end is escaped are joined with the next."""
        rest: Block | None = None
        for block in blocks:
            hidden = Block(self._hide(block.text), block.line, block.broken, block.read)
            joined, rest = _join(hidden.after(rest))
            if len(joined.text):
                yield joined
        if rest is not None and len(rest.text):
            yield rest

    def _hide(self, text: pa.Array) -> pa.Array:
        if _is_hiding(text):
            text = pc.replace_substring_regex(text, RESERVED, "\ufffd")
        if holding(text, self.escape).any():
            for there, instead in self._hidden.items():
                text = pc.replace_substring(text, there, instead)
        return text

    def restore(self, text: pa.Array) -> pa.Array:
        """Records as they stand in the file."""
        instead = {END: f"{self.escape}\n", **{hidden: there for there, hidden in self._hidden.items()}}
        return _replace(text, instead)

    def show(self, cells: pa.Array) -> pa.Array:
        r"""Cells with the characters that their escapes stand for; `\N` alone stays, as a null marker."""
        if not _is_hiding(cells):
            return cells
        cells = pc.replace_substring_regex(cells, f"^{MARK}N$", NULL.replace("\\", "\\\\"))
        controls = {MARK + letter: character for letter, character in CONTROLS.items()}
        return _replace(
            cells, {**controls, MARK: "", QUOTE: self.quote, DELIMITER: self.delimiter[0], END: "\n", OWN: self.escape}
        )


def _is_hiding(text: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, RESERVED)).as_py())


def _replace(text: pa.Array, instead: Mapping[str, str]) -> pa.Array:
    if _is_hiding(text):
        for hidden, shown in instead.items():
            text = pc.replace_substring(text, hidden, shown)
    return text


def _join(block: Block) -> tuple[Block, Block | None]:
    """The block with lines joined behind escaped line ends, and the lines that wait for the next block."""
    open_ = bits(pc.ends_with(block.text, MARK))
    if not open_.any():
        return block, None
    begins = ~np.concatenate([[False], open_[:-1]])  # a line that no escape joins to the one before
    starts = np.flatnonzero(begins)
    text = pc.if_else(pa.array(open_), pc.replace_substring_regex(block.text, f"{MARK}$", END), block.text)
    offsets = pa.array(np.append(starts, len(text)).astype(np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, text), "")
    line = block.line[starts]
    if not open_[-1]:
        return Block(joined, line, None, block.read), None
    waiting = slice(int(starts[-1]), None)
    return Block(joined[:-1], line[:-1], None, block.read), Block(block.text[waiting], block.line[waiting], None, 0)
