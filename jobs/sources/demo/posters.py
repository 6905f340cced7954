"""Posters, 64 wide × 96 high: the genre gives the colour, the style the shape, the item its place and shade. PNG."""

import colorsys
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from jobs.sources.demo.catalogue import Catalogue
from jobs.sources.demo.draws import Bools
from jobs.sources.demo.world import World

WIDTH, HEIGHT = 64, 96
_Y, _X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
_GRAIN = 8.0  # grey levels of noise, one value per 4 × 4 pixels


def genre_colour(genre: int, genres: int) -> NDArray[np.float64]:
    """Red, green, blue of a genre, 0 … 255: hues evenly apart."""
    return 255.0 * np.array(colorsys.hsv_to_rgb(genre / genres, 0.75, 0.7))


def poster(world: World, items: Catalogue, row: int) -> NDArray[np.uint8]:
    """The picture of an item, [HEIGHT, WIDTH, 3]."""
    draws, key = world.draws, items.keys[row]
    shade, left, top, radius = draws.uniform("poster", key, np.arange(4))
    colour = genre_colour(int(items.genre[row]), world.size.genres) * (0.8 + 0.4 * shade)
    shape = _shape(int(items.style[row]), 20 + 24 * left, 25 + 46 * top, 12 + 8 * radius)
    grain = draws.uniform("grain", key, np.arange(HEIGHT // 4 * WIDTH // 4)).reshape(HEIGHT // 4, WIDTH // 4)
    grain = _GRAIN * (np.repeat(np.repeat(grain, 4, axis=0), 4, axis=1) - 0.5)
    light = 0.75 + 0.5 * _Y / HEIGHT
    picture = np.where(shape[:, :, None], 235.0, colour * light[:, :, None]) + grain[:, :, None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _shape(style: int, x: float, y: float, radius: float) -> Bools:
    """Which pixels the style's shape covers: a disc, a diamond or bars."""
    if style == 0:
        return np.asarray((_X - x) ** 2 + (_Y - y) ** 2 < radius**2)
    if style == 1:
        return np.asarray(np.abs(_X - x) + np.abs(_Y - y) < 1.25 * radius)
    return np.asarray((np.abs(_Y - y) < radius) & (_Y % 8 < 4))


def png(picture: NDArray[np.uint8]) -> bytes:
    """The bytes of an RGB picture [height, width, 3] as PNG (ISO/IEC 15948): no filter, one IDAT."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
