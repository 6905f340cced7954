"""A real night with planted secrets: none is in a log, in XCom, in rendered templates, in `runs`, in a report, in any
other file, or in a process list; and no file is another's to read."""

import json
import os
import re
import secrets
import subprocess
import threading
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ENCORE = ".venv/bin/encore"
DAY = "2018-09-24"
NIGHT = ["nightly", "--domain", "movies", "--ds", DAY, "--top-k", "3", "--models", "popularity,item_knn"]
SECONDS_BETWEEN = 0.05
SCAN = """
import json, sys
from jobs.privacy.ids import Ids
from jobs.privacy.scan import scan
words, places = json.load(sys.stdin)
result = scan(Ids(words), [f"file://{place}" for place in places])
print(json.dumps([result.files, [str(finding) for finding in result.findings]]))
"""


class Watch(threading.Thread):
    """Reads the command lines of all processes again and again, as any user of the machine may."""

    def __init__(self, words):
        super().__init__(daemon=True)
        self.words, self.hits, self.seen, self.over = list(words), set(), set(), threading.Event()

    def run(self):
        while not self.over.wait(SECONDS_BETWEEN):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                self.seen.add(line[:200])
                self.hits |= {(word, line[:300]) for word in self.words if word in line}


def films(folder):
    """Enough for a night: 12 films, 20 users."""
    folder.mkdir()
    last = 1_537_747_200
    ratings = [
        f"{user},{film},{3 + (user + film) % 3},{last - 86_400 * (1 + (7 * user + 3 * film) % 60)}"
        for user in range(1, 21)
        for film in range(1, 12)
        if (film + user) % 2 == 0 and (film + 2 * user) % 7
    ]
    rows = [f"{film},Film {film} ({2000 + film}),{'Drama' if film % 2 else 'Comedy'}" for film in range(1, 13)]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *rows, ""]))
    lines = ["userId,movieId,rating,timestamp", *ratings, "1,2,99,1537660800", ""]
    (folder / "ratings.csv").write_text("\n".join(lines))


def test_a_night_leaks_none_of_its_secrets(tmp_path, in_jobs_environment, pytestconfig):
    planted = {
        name: f"planted{secrets.token_hex(8)}" for name in ("store", "password", "webhook", "spark", "catalog")
    } | {"key": secrets.token_hex(32)}
    place = tmp_path / "places"
    place.mkdir()
    (tmp_path / "given").mkdir(mode=0o700)
    config, key = tmp_path / "given" / "encore.toml", tmp_path / "given" / "key"
    config.write_text(
        f'[catalog]\ntype = "sql"\nuri = "sqlite:///{place}/catalog.db"\ncredential = "{planted["catalog"]}"\n'
        f'[spark]\n"spark.hadoop.fs.s3a.secret.key" = "{planted["spark"]}"\n'
        "[domains.movies]\npseudonyms = true\nmax_events_per_item = 1000\n"  # with which similarity takes Spark
    )
    key.write_text(planted["key"])
    key.chmod(0o600)
    own = {
        **{f"ENCORE_{name.upper()}": str(place / name) for name in ("state", "warehouse", "landing")},
        "AIRFLOW_HOME": str(place / "airflow"),
        "ENCORE_CONFIG": str(config),
        "ENCORE_PSEUDONYM_KEY": planted["key"],
        "ENCORE_PSEUDONYM_KEY_FILE": str(key),
        "AWS_ACCESS_KEY_ID": "planted-access-key",
        "AWS_SECRET_ACCESS_KEY": planted["store"],
        "PGPASSWORD": planted["password"],
        "ENCORE_WEBHOOK": f"http://127.0.0.1:9/{planted['webhook']}",
    }
    others = {name: text for name, text in os.environ.items() if not name.startswith(("ENCORE", "SPARK_R", "AIRFLOW"))}
    films(tmp_path / "given" / "ml")
    watch = Watch(planted.values())
    watch.start()

    def call(*words):
        program = pytestconfig.rootpath / ENCORE
        done = subprocess.run([program, *words], env={**others, **own}, capture_output=True, text=True, cwd=place)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    shown = call("import", "movielens", str(tmp_path / "given" / "ml"), "--domain", "movies", "--ds", DAY)
    tokens = set()
    follow = threading.Thread(target=lambda: tokens.update(tokens_of(place / "state" / "spark", watch)), daemon=True)
    follow.start()
    shown += call(*NIGHT)
    shown += call("config", "show") + call("status") + call("tables", "sql", "FROM runs", "--format", "json")
    watch.over.set()
    watch.join()
    follow.join()

    assert any("SparkConnectServer" in line for line in watch.seen)  # it did see the night's processes
    assert any("airflow" in line for line in watch.seen)
    assert tokens
    assert watch.hits == set()
    words = [*planted.values(), *tokens]
    assert [word for word in words if word in shown] == []
    files, findings = in_jobs_environment(SCAN, [words, [str(place)]])
    assert files > 100
    assert findings == []
    raw = [file for file in place.rglob("*") if file.is_file() and re.search(
        "|".join(words).encode(), file.read_bytes())]  # fmt: skip
    assert raw == []
    opened = [str(file) for file in place.rglob("*") if not file.is_symlink() and file.stat().st_mode & 0o077]
    assert opened == []
    assert [file for file in place.rglob("core*") if file.is_file() and file.suffix == ""] == []


def tokens_of(folder, watch):
    """The tokens of the night's Spark servers, read while they run, and looked for from then on."""
    tokens = set()
    while not watch.over.wait(SECONDS_BETWEEN):
        for file in folder.glob("*.json"):
            try:
                tokens.add(json.loads(file.read_text())["token"])
            except (OSError, ValueError):
                continue
        watch.words += [token for token in tokens if token not in watch.words]
    return tokens
