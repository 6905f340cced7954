"""Image features: posters as small pictures for a network."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

HEIGHT, WIDTH = 48, 32
FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES, MAX_PIXELS = 20_000_000, 25_000_000  # of a file; larger ones are no posters
log = logging.getLogger(__name__)


def pictures(addresses: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """uint8 [n, HEIGHT, WIDTH, 3], red, green and blue, and which could be read: bool [n]; the others are black.

    addresses: of files on this machine, '' for none. A file that is missing, corrupt or far too large counts as none.
    """
    images = np.zeros((len(addresses), HEIGHT, WIDTH, 3), np.uint8)
    there = np.zeros(len(addresses), bool)
    wrong = []
    for row, address in enumerate(addresses):
        if not address:
            continue
        try:
            images[row] = picture(address.removeprefix("file://"))
            there[row] = True
        except Exception as error:  # Pillow raises what its decoders raise: files of others are never a fault
            wrong.append(f"{address}: {error}")
    if wrong:
        log.warning("%d of %d posters cannot be read, for example %s", len(wrong), len(addresses), wrong[0])
    return images, there


def picture(path: str) -> npt.NDArray[np.uint8]:
    """uint8 [HEIGHT, WIDTH, 3], whatever the file's proportions. Raises where it holds no picture, or a huge one."""
    size = Path(path).stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size:,} bytes, more than {MAX_BYTES:,}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels, more than {MAX_PIXELS:,}")
            image.draft("RGB", (WIDTH, HEIGHT))  # JPEG decodes to an eighth at once
            return np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
