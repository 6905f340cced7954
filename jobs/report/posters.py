"""Pictures of items as small images inside the page; whatever cannot be read is left out, and the page shows a
placeholder."""

import base64
import io
import logging
import warnings
from dataclasses import dataclass, field

from PIL import Image

from jobs.addresses import address
from jobs.storage import files
from models.features.posters import FORMATS

SIZE = (96, 144)  # twice the shown size, for dense screens
MAX_FILE_BYTES, MAX_PIXELS = 20_000_000, 25_000_000
BUDGET_BYTES = 900_000  # all pictures of a page together, as base64
log = logging.getLogger(__name__)


@dataclass
class Posters:
    """Reads each picture once, until the budget is spent. `left_out`: pictures that were there but did not fit."""

    spent: int = 0
    left_out: int = 0
    _known: dict[str, str | None] = field(default_factory=dict)

    def uri(self, poster: str | None) -> str | None:
        """The picture at a path or address as a `data:` URI; None where there is none to show."""
        if not poster:
            return None
        if poster not in self._known:
            self._known[poster] = self._read(poster)
        return self._known[poster]

    def _read(self, poster: str) -> str | None:
        if poster.startswith(("http://", "https://", "data:")):  # the night asks nobody outside
            return None
        try:
            content = files.read_bytes(address(poster))
            made = thumbnail(content) if content and len(content) <= MAX_FILE_BYTES else None
        except Exception as error:  # a strange address, a file that is no picture: data of others, never a fault
            log.info("poster %s: %s", poster, error)
            return None
        if made is None:
            return None
        if self.spent + len(made) > BUDGET_BYTES:
            self.left_out += 1
            return None
        self.spent += len(made)
        return made


def thumbnail(content: bytes) -> str:
    """A picture of at most SIZE pixels as a `data:` URI. Raises where the content is no picture or far too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} × {picture.height} pixels, more than {MAX_PIXELS:,}")
            picture.thumbnail(SIZE)
            small = io.BytesIO()
            picture.convert("RGB").save(small, "JPEG", quality=70, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(small.getvalue()).decode()
