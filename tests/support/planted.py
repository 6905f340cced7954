"""A night with everything that its report shows, with untrusted text that attacks the page."""

from pathlib import Path

from PIL import Image

from jobs.cli import main
from jobs.report.published import address
from jobs.settings import Settings
from jobs.storage.runs import Run
from tests.support.fakes import DS, Rows, fake_night, publish_words

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quotes\""
LONG = "Donaudampfschifffahrtsgesellschaft" * 6
EARLIER = "2026-11-19"


def planted_page(config: Settings, folder: Path) -> Path:
    """Publishes an earlier night and a planted one, and writes the page of that; `folder` gets its pictures."""
    Image.new("RGB", (300, 450), "teal").save(folder / "good.png")
    (folder / "broken.png").write_bytes(b"\x89PNG no more")
    (folder / "text.png").write_text("root:x:0:0")

    def plant(rows: dict[str, Rows]) -> None:
        pictures = [str(folder / f"{name}.png") for name in ("good", "broken", "text")]
        for item, poster in zip(rows["items"], ("http://else.where/x.png", "../../x", *pictures), strict=True):
            item |= {"title": f"{item['item_id']} {EVIL} {LONG}", "poster": poster}
        rows["metrics"] = planted_metrics()
        rows["models"][1]["reason"] = EVIL
        rows["rejected"] += [
            {**rows["rejected"][0], "line": 2, "raw": EVIL + LONG, "reasons": ["unparsable", "duplicate"]}
        ]
        for row in rows["recommendations"]:
            row["because"] = EVIL

    for ds, run, broken in ((EARLIER, "first", lambda rows: None), (DS, "second", plant)):
        fake_night(config, 3, ds=ds, run=run, broken=broken)
        assert main(publish_words(run, ds=ds)) == 0
    return written_page(config, DS, "second")


def written_page(config: Settings, ds: str, run: str) -> Path:
    """Writes the page of a run as the night does; returns its file."""
    assert main(["html_report", "--domain", "movies", "--ds", ds, "--run", run]) == 0
    result = address(Run(config.warehouse, "movies", ds, run))
    assert result is not None
    return Path(result.removeprefix("file://"))


def planted_metrics() -> Rows:
    """Metrics that no job computes beside some that one does, and one row of drift."""
    named = (
        ("item_knn", "time", "all", "ndcg", 10, 0.1234),
        ("popularity", "time", "all", "ndcg", 10, 0.0987),
        ("item_knn", "time", "all", "ndcg", 20, 0.1567),
        ("item_knn", "time", "all", "coverage", 0, 0.4321),
        ("item_knn", "time", "heavy <b>", "ndcg", 10, 0.2222),
        ("data", "none", "all", "psi_activity", 0, 0.0456),
    )
    names = ("model", "split", "segment", "metric", "k", "value")
    rows: Rows = [dict(zip(names, row, strict=True)) for row in named]
    common = {"domain": "movies", "ds": DS, "users": 7}
    return [row | common | {"low": row["value"] - 0.001, "high": row["value"] + 0.001} for row in rows]
