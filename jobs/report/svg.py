"""matplotlib's drawings as SVG inside a page: text stays text, colours come from the page's style sheet, and nothing in
them needs an exception from a strict Content-Security-Policy."""

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 4.7  # inches of 72 px: as wide as a phone, so that text is never scaled down to where nobody can read it
# Stand-ins that the style sheet gives their meaning, by day and by night.
INK, FAINT, GRID = "#000001", "#000002", "#000003"
SERIES = tuple(f"#0000{number}" for number in range(10, 18))
_COLOURS = {INK: "var(--ink)", FAINT: "var(--faint)", GRID: "var(--line)"}
_COLOURS |= {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)}
_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "encore",  # the same drawing has the same ids, night after night
    "text.parse_math": False,  # a model's or an item's name is no formula
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}
ElementTree.register_namespace("", _SVG[1:-1])


def drawing(name: str, title: str, description: str, height: float, draw: Callable[[Axes], None]) -> Markup:
    """What `draw` puts on the axes, `height` inches high, as an <svg> element with a title and a description.

    `name` is unique on the page: the ids in the drawing begin with it.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        content = io.BytesIO()
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(content, format="svg", transparent=True, metadata=unsaid)
    root = ElementTree.fromstring(content.getvalue())  # noqa: S314 - of matplotlib
    _strip(root)
    for element in root.iter():
        _restyle(element, name)
    inside = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    inside = re.sub(r' xmlns(:\w+)?="[^"]*"', "", inside)  # inside HTML the parser knows them
    return Markup(
        '<svg role="img" aria-labelledby="{0}-name {0}-text" viewBox="{1}">'
        '<title id="{0}-name">{2}</title><desc id="{0}-text">{3}</desc>{4}</svg>'
    ).format(name, root.attrib["viewBox"], title, description, Markup(inside))  # noqa: S704 - what matplotlib has drawn


def _strip(root: ElementTree.Element) -> None:
    """Takes the style sheet and the metadata out: the page has its own."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata"):
                parent.remove(child)


def _restyle(element: ElementTree.Element, name: str) -> None:
    """Styles as attributes, which the policy allows; colours as variables; ids that no other drawing has."""
    attributes = element.attrib
    for rule in attributes.pop("style", "").split(";"):
        key, _, value = rule.partition(":")
        if key.strip() and key.strip() != "font-family":
            attributes[key.strip()] = _COLOURS.get(value.strip(), value.strip())
    if "d" in attributes:
        attributes["d"] = " ".join(attributes["d"].split())
    if _HREF in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(_HREF).removeprefix('#')}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{name}-")
    if "id" in attributes:
        named = element.tag in (f"{_SVG}path", f"{_SVG}clipPath")  # the only ones that are referred to
        identity = attributes.pop("id")
        if named:
            attributes["id"] = f"{name}-{identity}"
