"""Cells of a file → values of the landing columns, a block at a time.

Every parser takes cells: an Arrow array of the type that the file gives them (text for delimited files), null where
there is none. It returns the values, null where missing or unreadable, with a mask of the cells that it could not
read (None: it read all). What a cell becomes depends on its own content alone, never on its neighbours in the block.
"""

from collections.abc import Callable, Mapping
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Bits = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Mask = Bits | None
Parsed = tuple[pa.Array, Mask]
Parser = Callable[..., Parsed]

NUMBER = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan(\([a-z0-9_]*\))?)$"  # what Arrow's cast reads
WITH_COMMA = r"^\s*[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?\s*$"
EXACT = {pa.float64(): 2.0**53, pa.float32(): 2.0**24, pa.float16(): 2.0**11}  # whole numbers up to here are exact
TRUE, FALSE = ("true", "yes", "1", "1.0", "t", "y", "on"), ("false", "no", "0", "0.0", "f", "n", "off")
OLDEST = 120


def as_text(cells: pa.Array) -> Parsed:
    """Cells of any type as text; bytes that are not UTF-8 are unreadable, and so is a list of more than one element."""
    kind = cells.type
    if pa.types.is_string(kind):
        return cells, None
    if pa.types.is_list(kind):
        lengths = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False)
        single = pc.if_else(pa.array(lengths == 1), cells, pa.scalar([None], kind))
        texts, bad = as_text(pc.list_element(single, 0))
        return texts, either(bad, (lengths != 1) & bits(cells.is_valid()))
    if isinstance(kind, pa.BaseExtensionType):
        if kind == pa.uuid():
            return pa.array([str(value) if isinstance(value, UUID) else None for value in cells.to_pylist()]), None
        return as_text(cells.storage)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _decode(cells.cast(pa.binary()) if not pa.types.is_binary(kind) else cells)
    return cells.cast(pa.string()), None


def _decode(cells: pa.Array) -> Parsed:
    try:
        return cells.cast(pa.string()), None
    except pa.ArrowInvalid:
        texts = [None if value is None else value.decode(errors="replace") for value in cells.to_pylist()]
        bad = np.array([text is not None and "\ufffd" in text for text in texts])
        return without(pa.array(texts, pa.string()), bad), some(bad)


def text(cells: pa.Array) -> Parsed:
    """The text itself; empty text is a missing value."""
    texts, bad = as_text(cells)
    return missing(texts), bad


def identity(cells: pa.Array) -> Parsed:
    """An id, digit by digit as it stands: `007`, `1e3` and 12345678901234567890 stay what they are.

    Of numbers that the file keeps as floats, only whole ones that floats hold exactly are ids.
    """
    if pa.types.is_floating(cells.type):
        floats = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
        given = bits(cells.is_valid())
        wrong = given & ~((np.floor(floats) == floats) & (np.abs(floats) < EXACT[cells.type]))
        whole = pa.array(np.where(wrong | ~given, 0, floats).astype(np.int64), mask=wrong | ~given)
        return whole.cast(pa.string()), some(wrong)
    if pa.types.is_decimal(cells.type):
        texts = pc.replace_substring_regex(cells.cast(pa.string()), r"\.0*$", "")
        wrong = bits(pc.match_substring(texts, "."))
        return without(texts, wrong), some(wrong)
    return text(cells)


def number(cells: pa.Array, decimal: str = ".") -> Parsed:
    """A float64; `nan` and `inf` are numbers (that clean rejects). With decimal "," dots part thousands."""
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type):
        return cells.cast(pa.float64(), safe=False), None
    given, bad = text(cells)
    if decimal == ",":
        readable = pc.match_substring_regex(given, WITH_COMMA)
        dotted = pc.replace_substring(pc.replace_substring(given, ".", ""), ",", ".")
        given, bad = pc.if_else(readable, dotted, None), either(bad, bits(pc.equal(readable, False)))
    try:
        return given.cast(pa.float64()), bad
    except pa.ArrowInvalid:  # a cast is all or nothing: leave out what is no number, then cast the rest
        trimmed = missing(pc.utf8_trim_whitespace(given))
        readable = pc.match_substring_regex(trimmed, NUMBER)
        values = pc.if_else(readable, trimmed, None).cast(pa.float64())
        return values, either(bad, bits(pc.equal(readable, False)))


def integer(cells: pa.Array, type: pa.DataType, decimal: str = ".", most: int | None = None) -> Parsed:
    """A whole number that `type` holds, from 0 to `most` where that is given; `4.0` is one, `4.5` is not."""
    if pa.types.is_integer(cells.type):
        values, bad = cells.cast(pa.float64(), safe=False), None
    else:
        values, bad = number(cells, decimal)
    floats = values.to_numpy(zero_copy_only=False)
    limit = min(EXACT[pa.float64()], 2.0 ** (type.bit_width - 1) - 1)
    least, largest = (-limit, limit) if most is None else (0, most)
    wrong = bits(values.is_valid()) & ~((floats >= least) & (floats <= largest) & (np.floor(floats) == floats))
    return without(values, wrong).cast(type), either(bad, wrong)


def age(cells: pa.Array) -> Parsed:
    """A person's age in years, from 0 to OLDEST."""
    return integer(cells, pa.int32(), most=OLDEST)


def flag(cells: pa.Array) -> Parsed:
    """true, yes, on, 1 or false, no, off, 0, in any case, or their first letters."""
    if pa.types.is_boolean(cells.type):
        return cells, None
    texts, bad = text(cells)
    given = pc.utf8_lower(missing(pc.utf8_trim_whitespace(texts)))
    true = pc.is_in(given, pa.array(TRUE))
    known = pc.or_(true, pc.is_in(given, pa.array(FALSE)))
    return pc.if_else(known, true, None), either(bad, bits(pc.and_(given.is_valid(), pc.invert(known))))


def available(cells: pa.Array) -> Parsed:
    """A flag; true where nothing is said, false where what is said cannot be read."""
    values, bad = flag(cells)
    values = pc.fill_null(values, True)
    return (values if bad is None else pc.if_else(pa.array(bad), False, values)), bad


def look_up_name(cells: pa.Array, names: Mapping[str, str], then: Parser) -> Parsed:
    """What `then` makes of the name that stands for a code; a code without a name is unreadable."""
    given, _ = text(cells)
    places = pc.index_in(given, pa.array(list(names), pa.string()))
    values, _ = then(pa.array(list(names.values()), pa.string()).take(places))
    return values, some(bits(pc.and_(given.is_valid(), places.is_null())))


def without_markers(cells: pa.Array, markers: pa.Array) -> tuple[pa.Array, Mask]:
    """The cells without texts that stand for a missing value, and which were such; empty text is always missing."""
    if not pa.types.is_string(cells.type):
        return cells, None
    marked = some(bits(pc.is_in(cells, markers))) if _may_be_in(cells, markers) else None
    cells = missing(cells)
    return (cells, None) if marked is None else (without(cells, marked), marked)


def _may_be_in(cells: pa.Array, markers: pa.Array) -> bool:
    """Whether any cell holds the first byte of a marker; quick, as columns of numbers hold none."""
    content = cells.buffers()[2]
    if content is None:
        return False
    packed = content.to_pybytes()
    return any(first in packed for first in {marker.encode()[:1] for marker in markers.to_pylist()})


def list_array(lists: pa.Array, elements: pa.Array) -> pa.Array:
    """The lists with other elements in place of their own."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), elements, mask=lists.is_null())


def missing(cells: pa.Array) -> pa.Array:
    """Texts, null where they are empty."""
    empty = pc.equal(cells, "")
    return pc.if_else(empty, None, cells) if pc.any(empty).as_py() else cells


def holding(texts: pa.Array, character: str) -> Bits:
    """Which texts hold a character; quick where none does."""
    content = texts.buffers()[2]
    if content is None or character.encode()[:1] not in content.to_pybytes():
        return np.zeros(len(texts), dtype=np.bool_)
    return bits(pc.match_substring(texts, character))


def beginning_with(texts: pa.Array, characters: str) -> Bits:
    """Which texts are empty or begin with the first byte of one of the characters."""
    _, offsets, content = texts.buffers()
    if content is None or not len(texts):
        return np.ones(len(texts), dtype=np.bool_)
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    letters = np.append(np.frombuffer(content, np.uint8), np.uint8(0))
    codes = [character.encode()[0] for character in characters]
    return np.asarray(np.isin(letters[places[:-1]], codes) | (places[1:] == places[:-1]), dtype=np.bool_)


def bits(array: pa.Array) -> Bits:
    """An Arrow array of truth values as NumPy has them; null is false."""
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def without(values: pa.Array, wrong: Bits) -> pa.Array:
    """The values, null where they are wrong."""
    return pc.if_else(pa.array(wrong), None, values) if wrong.any() else values


def either(one: Mask, other: Mask) -> Mask:
    """Returns both masks together."""
    if one is None or other is None:
        return some(other) if one is None else one
    return some(one | other)


def some(mask: Mask) -> Mask:
    """The mask, or None where nothing is set."""
    return mask if mask is not None and mask.any() else None
