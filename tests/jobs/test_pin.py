"""What a run reads is decided once, by its first task."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from jobs import pin
from jobs.cli import main
from jobs.errors import InputError
from jobs.settings import Settings
from jobs.storage.deliveries import Delivery, withdraw
from jobs.storage.landing import new_batch
from jobs.storage.runs import Entry, Run
from schemas.names import MODELS
from tests.support.domains import DOMAINS
from tests.support.fakes import DS, fake_night, publish_words

Captured = pytest.CaptureFixture[str]
NEXT = "2026-11-21"


def land(config: Settings, checksum: str, ds: str = DS, path: str = "ratings.csv", domain: str = "movies") -> None:
    """One landed file with one row."""
    with new_batch(config.landing, domain, ds, f"{checksum}-{ds}", {}) as batch:
        batch.add(path, checksum, "interactions", pa.table({"user_id": ["u"]}).to_batches(), identity=checksum)


def call(run: str = "r", ds: str = DS, *more: str) -> int:
    """`encore pin …`."""
    return main(["pin", "--domain", "movies", "--ds", ds, "--run", run, *more])


def entry(config: Settings, run: str = "r", ds: str = DS) -> Entry:
    return Run(config.warehouse, "movies", ds, run).entry("pin")


def pinned(config: Settings, run: str = "r", ds: str = DS) -> list[str]:
    """Checksums of the pinned files."""
    return [file["checksum"] for file in entry(config, run, ds).facts["inputs"]]


def cleaned(config: Settings, checksum: str, ds: str = DS) -> None:
    """Publishes a night that has cleaned a file."""

    def name(rows: dict[str, list[dict[str, object]]]) -> None:
        rows["files"][0]["checksum"] = checksum

    fake_night(config, 1, ds=ds, run="before", broken=name)
    assert main(publish_words("before", ds=ds)) == 0


def test_a_run_is_pinned_once(config: Settings) -> None:
    land(config, "a")
    assert call("r", DS, "--top-k", "7") == 0
    first = entry(config).facts
    land(config, "b")
    cleaned(config, "a")
    assert call("r", DS, "--top-k", "9") == 0
    assert entry(config).facts == first
    assert first["configuration"]["domain"]["top_k"] == 7
    assert set(first["snapshots"].values()) == {None}
    assert pinned(config) == ["a"]


def test_a_pin_that_failed_is_made_again(config: Settings) -> None:
    Run(config.warehouse, "movies", DS, "r").record(Entry("pin", "failed", "a", error="full"))
    land(config, "a")
    assert call() == 0
    assert pinned(config) == ["a"]


def test_another_run_has_the_same_hash_for_the_same_configuration(config: Settings) -> None:
    land(config, "a")
    for run, more in (("r", ()), ("s", ()), ("t", ("--top-k", "3"))):
        assert call(run, DS, *more) == 0
    hashes = [entry(config, run).facts["configuration_hash"] for run in "rst"]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 64


def test_files_of_later_nights_and_other_domains_are_not_read(config: Settings) -> None:
    land(config, "old", "2026-11-19")
    land(config, "own")
    land(config, "later", NEXT)
    land(config, "other", domain="music")
    assert call() == 0
    assert pinned(config) == ["old", "own"]


def test_the_same_bytes_are_read_once(config: Settings) -> None:
    land(config, "a", "2026-11-19", "one.csv")
    land(config, "a", DS, "two.csv")
    assert call() == 0
    assert [file["path"] for file in entry(config).facts["inputs"]] == ["one.csv"]


@pytest.mark.parametrize(
    ("night", "ds", "read"),
    [
        (DS, NEXT, ["b"]),  # cleaned by an earlier night
        (NEXT, DS, ["b"]),  # an old night runs again: what a later one has cleaned stays there
        (DS, DS, ["b"]),  # the night itself runs again: what it has judged stays, what has come since is judged
    ],
)
def test_files_that_a_night_has_cleaned_are_that_nights(config: Settings, night: str, ds: str, read: list[str]) -> None:
    land(config, "a")
    land(config, "b")
    cleaned(config, "a", night)
    assert call("r", ds) == 0
    assert pinned(config, "r", ds) == read


def test_a_night_that_failed_leaves_its_files_to_the_next(config: Settings) -> None:
    land(config, "a")
    assert call("failed") == 0
    Run(config.warehouse, "movies", DS, "failed").record(Entry("clean", "failed", "x"))
    assert call("r", NEXT) == 0
    assert pinned(config, "r", NEXT) == ["a"]


def account(number: int, ds: str = DS, **more: object) -> dict[str, object]:
    """A row of `files` as the night `ds` has left it."""
    known = {"delivery": number, "ds": ds, "path": f"{number}.csv", "checksum": f"c{number}", "table_name": "items"}
    return {
        **known,
        "rules": "r",
        "identity": f"i{number}",
        "mode": "append",
        "withdrawn": None,
        "batch": number,
    } | more


def delivery(number: int, ds: str = DS, **more: object) -> Delivery:
    """A landed file."""
    known = {"number": number, "batch": number, "identity": f"i{number}", "ds": ds}
    return Delivery(f"{number}.csv", f"c{number}", "items", 1, (), **{**known, **more})  # type: ignore[arg-type]


def chosen(landed: list[Delivery], judged: list[dict[str, object]], ds: str = DS) -> dict[str, list[int]]:
    """What `inputs` says of each delivery, by number."""
    return {name: [one["number"] for one in some] for name, some in pin.inputs(landed, judged, ds, "r").items()}


def test_what_a_night_does_with_each_delivery() -> None:
    landed = [delivery(1), delivery(2), delivery(3, withdrawn=True), delivery(4), delivery(5, NEXT), delivery(6)]
    judged = [account(2), account(3), account(6, rules="older")]
    assert chosen(landed, judged) == {"inputs": [1, 4, 6], "earlier": [2], "withdrawn": [3, 6]}
    assert chosen(landed, judged, NEXT) == {"inputs": [1, 4, 5], "earlier": [2, 6], "withdrawn": [3]}


def test_what_was_taken_back_once_is_not_taken_back_again() -> None:
    landed = [delivery(1, withdrawn=True), delivery(2, withdrawn=True)]
    assert chosen(landed, [account(1, withdrawn=DS)]) == {"inputs": [], "earlier": [], "withdrawn": []}


def test_a_file_that_comes_again_after_it_was_withdrawn_is_judged() -> None:
    landed = [delivery(1, withdrawn=True), delivery(2, identity="i1")]
    assert chosen(landed, [account(1)]) == {"inputs": [2], "earlier": [], "withdrawn": [1]}


def test_a_delivery_whose_landed_files_are_gone_is_known_from_the_books() -> None:
    result = pin.inputs([], [account(1, rows=3)], DS, "r")
    assert [(one["number"], one["data"], one["ds"]) for one in result["earlier"]] == [(1, (), DS)]


def test_a_landing_folder_that_counts_anew_is_refused() -> None:
    with pytest.raises(InputError, match=r"delivery 1 \(1.csv\) is not the file that was judged as 1"):
        pin.inputs([delivery(1, DS)], [account(1, checksum="other")], DS, "r")


def test_withdrawn_deliveries_are_not_judged(config: Settings) -> None:
    land(config, "a")
    land(config, "b")
    withdraw(config.landing, "movies", [1])
    assert call() == 0
    assert pinned(config) == ["b"]


def test_the_models_that_are_asked_for_are_pinned(config: Settings) -> None:
    land(config, "a")
    assert call("r", DS, "--models", MODELS[0]) == 0
    assert entry(config).facts["configuration"]["models"] == [MODELS[0]]
    assert call("s") == 0
    assert entry(config, "s").facts["configuration"]["models"] == list(MODELS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--models", ""), "--models must name at least one of: popularity"),
        (("--models", ","), "--models must name at least one of: popularity"),
        (("--models", "popularity,magic"), "--models: there is no model 'magic'; there are: popularity"),
        (("--top-k", "0"), "domains.movies.top_k must be between 1 and 1000, got 0"),
        (("--top-k", "1001"), "domains.movies.top_k must be between 1 and 1000, got 1001"),
        (("--settings", "{"), "--settings: is not JSON"),
        (("--settings", "[]"), "--settings: [] is no object of models; there are: popularity"),
        (("--settings", '{"magic": {}}'), "--settings: {'magic': {}} is no object of models; there are: popularity"),
        (("--settings", '{"item_knn": {"neighbours": 0}}'), "models.item_knn.neighbours must be between 1 and 100000"),
        (("--settings", '{"item_knn": {"layers": 3}}'), "--settings: models.item_knn.layers is not a setting"),
    ],
)
def test_a_bad_value_is_named_with_its_rule(
    config: Settings, capsys: Captured, words: tuple[str, ...], message: str
) -> None:
    assert call("r", DS, *words) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    result = Run(config.warehouse, "movies", DS, "r").find("pin")
    assert result is not None
    assert (result.state, result.exit_code) == ("failed", 2)


def test_a_day_that_is_not_over_has_no_night(config: Settings, capsys: Captured) -> None:
    """Its night would hide every real one from those who read the last complete night."""
    for ds in ("2126-01-01", datetime.now(UTC).date().isoformat()):
        land(config, "a", ds)
        assert call("r", ds) == 2
        assert f"--ds {ds} is not over (today is " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[domains.movies]\ntop_k = 0\n", "domains.movies.top_k must be between 1 and 1000, got 0"),
        ("[domains.movies]\nbest = 1\n", "domains.movies.best is not a setting"),
        ("[domains.films]\n", "unknown domain 'films'; there are: games, movies, music"),
        ("[models.magic]\n", "unknown model 'magic'; there are: popularity"),
        ("[domains.movies\n", "not valid TOML"),
        (
            "[models.item_knn]\nneighbours = 0\n",
            "item_knn.neighbours must be between 1 and 100000, got 0",
        ),
        (
            "[models.sasrec]\ndropout = 0.95\n",
            "sasrec.dropout must be between 0 and 0.9, got 0.95",
        ),
        ("[models.sasrec]\nlayers = 3\n", "models.sasrec.layers is not a setting; there are: dim, "),
    ],
)
def test_a_bad_file_is_named_with_its_rule(
    config: Settings, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toml: str, message: str
) -> None:
    file = tmp_path / "encore.toml"
    file.write_text(toml)
    monkeypatch.setenv("ENCORE_CONFIG", str(file))
    assert call() == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_form_overrides_the_file_and_the_file_the_default(
    config: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    land(config, "a")
    file = tmp_path / "encore.toml"
    file.write_text("[domains.movies]\ntop_k = 5\nneighbours = 6\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(file))
    assert call("r", DS, "--top-k", "4") == 0
    domain = entry(config).facts["configuration"]["domain"]
    default = DOMAINS["movies"].test_share
    assert (domain["top_k"], domain["neighbours"], domain["test_share"]) == (4, 6, default)


def test_the_form_overrides_the_files_settings_of_a_model(
    config: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    land(config, "a")
    file = tmp_path / "encore.toml"
    file.write_text("[models.item_knn]\nneighbours = 5\n[models.ease]\nridge = 7.0\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(file))
    assert call("r", DS, "--models", "item_knn", "--settings", '{"item_knn": {"neighbours": 9}}') == 0
    pinned = entry(config).facts["configuration"]["model_settings"]
    assert pinned == {"item_knn": {"neighbours": 9}, "ease": {"ridge": 7.0}}


def test_what_is_pinned_is_what_the_night_reads(config: Settings) -> None:
    """Files of earlier nights for the history, whatever is published afterwards."""
    from jobs.night import open_night

    cleaned(config, "a")
    assert call("r", NEXT) == 0
    fake_night(config, 2, run="replaced")
    assert main(publish_words("replaced")) == 0
    night = open_night(config, argparse.Namespace(domain="movies", ds=NEXT, run="r"))
    before = Run(config.warehouse, "movies", DS, "before")
    assert night.history("interactions") == before.files("interactions")
    assert night.last_night("items") == before.files("items")


def test_a_domain_without_any_files_is_left_out(config: Settings, capsys: Captured) -> None:
    """Not a failure: the scheduled night runs all domains, and a company may have one."""
    land(config, "later", NEXT)
    assert call() == 3
    assert "nothing was ever imported for movies up to 2026-11-20" in capsys.readouterr().err.splitlines()[-1]


def test_a_night_that_was_published_after_the_trigger_is_refused(config: Settings, capsys: Captured) -> None:
    land(config, "a")
    asked = datetime.now(UTC).isoformat()
    assert call("before", DS, "--triggered-at", asked) == 0
    cleaned(config, "a")
    assert call("r", DS, "--triggered-at", asked) == 3
    error = capsys.readouterr().err
    assert f"the night of {DS} was published by run before at " in error
    assert "trigger it again" in error
    assert call("r", DS, "--triggered-at", datetime.now(UTC).isoformat()) == 0
    assert call("other", NEXT, "--triggered-at", asked) == 0  # another night
    assert call("scheduled") == 0
    assert call("x", DS, "--triggered-at", "yesterday") == 2
