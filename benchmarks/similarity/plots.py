"""The comparison of similarity as a picture."""

from pathlib import Path
from typing import Any


def plot(lines: list[dict[str, Any]], path: Path) -> None:
    """Seconds over the multiply-adds of the generated sizes, a curve for each contestant and side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(line["contestant"] for line in lines))
    for axis, side in zip(axes, ("items", "users"), strict=True):
        for number, name in enumerate(names):
            points = sorted(
                (line["multiply_adds"], line["seconds"])
                for line in lines
                if (line["side"], line["contestant"]) == (side, name)
                and "seconds" in line
                and line["data"].replace("/", "").isdigit()
            )
            if points:
                axis.loglog(*zip(*points, strict=True), "o-", label=name, color=f"C{number}", markersize=4)
        axis.set(title=f"{side} against {side}", xlabel="multiply-adds of all pairs")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("seconds, 2 cores")
    known = {line.get_label(): line for axis in axes for line in axis.lines}
    figure.legend(known.values(), known.keys(), loc="outside right upper", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
