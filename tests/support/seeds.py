"""Good files of every form that Encore reads, and seeded damage to them."""

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Mapping

import pyarrow as pa
from PIL import Image
from pyarrow import parquet as pq

CSV = (
    b"user_id,item_id,kind,value,ts\nu1,i1,play,1.5,1714435200\nu2,i2,play,2,1714435201\n"
    b'u3,"i,3",play,"3",1714435202\n"u\n4",i4,play,4,1714435203\n'
)
JSON_LINES = (
    '{"item_id": 1, "title": "é", "genres": ["a", null], "released": "2024-04-30", "available": true}\n'
    '{"item_id": "b", "regions": ["DE"], "age_rating": "PG-13", "tags": []}\n'
).encode()
# What odd systems and attackers put into files.
ODD = (
    *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b'"', b'""', b"\n", b"\r", b"\r\n", b",", b"{", b"[[", b"\\ud800", b"\\N"),
    *(b"1e999", b"-0", b"99999999999999999999", b"nan", b"\xf4\x90\x80\x80", b"\xe2\x80\xae", b"=cmd|' /C calc'!A0"),
    *(b"\x7f\xff\xff\xff", b"\xff" * 8, b"9999-12-31", b"0000-00-00", b"../../x"),
)


def parquet() -> bytes:
    """A small file with columns of several types."""
    packed = io.BytesIO()
    table = pa.table({"item_id": ["a", "b", None], "title": ["x", "y", "z"], "genres": [["a"], [], None]})
    pq.write_table(table, packed, row_group_size=2)
    return packed.getvalue()


def archive() -> bytes:
    """A zip of a csv and a JSON Lines file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("top/interactions.csv", CSV)
        file.writestr("top/reviews.csv", b"review_id,text\n1,good\n")
    return packed.getvalue()


def image(form: str) -> Callable[[], bytes]:
    """A small picture of a format."""

    def made() -> bytes:
        packed = io.BytesIO()
        Image.effect_mandelbrot((48, 32), (-2, -1, 1, 1), 20).convert("RGB").save(packed, form)
        return packed.getvalue()

    return made


FILES: Mapping[str, Callable[[], bytes]] = {
    "interactions.csv": lambda: CSV,
    "interactions.csv.gz": lambda: gzip.compress(CSV, mtime=0),
    "items.jsonl": lambda: JSON_LINES,
    "items.parquet": parquet,
    "all.zip": archive,
    "poster.png": image("PNG"),
    "poster.jpg": image("JPEG"),
    "poster.webp": image("WEBP"),
}


def damaged(content: bytes, draws: random.Random) -> bytes:
    """The content after one to eight changes: bits turned, bytes replaced, cut, doubled, or odd ones put in."""
    data = bytearray(content)
    for _ in range(draws.randint(1, 8)):
        if not data:
            break
        start = draws.randrange(len(data))
        end = min(len(data), start + draws.choice((1, 2, 4, 8, 64)))
        match draws.randrange(6):
            case 0:
                data[start] ^= 1 << draws.randrange(8)
            case 1:
                data[start:end] = draws.randbytes(end - start)
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end] * draws.choice((1, 2, 100))
            case 4:
                data[start:start] = draws.choice(ODD)
            case _:
                if draws.random() < 0.2:
                    del data[start:]
    return bytes(data)
