"""The end of `.ci/test`: skips with their reasons, the ten slowest tests, and the counts.

    summary.py LINTERS_PASSED LINTERS_FAILED RESULTS [RESULTS …]

RESULTS is what one run of pytest left: `NAME.xml` (JUnit) and, beside it, `NAME.code` with its exit code.
Ends with 1 if a linter or a test failed, a run left no results (it could not even collect), or pytest ended badly for
another reason.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

SLOWEST = 10


def read(path: Path) -> tuple[Counter[str], Counter[str], list[tuple[float, str]]]:
    """Counts of passed, failed and skipped; how often each reason to skip; (seconds, test)."""
    code = int(path.with_suffix(".code").read_text())
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    seconds = []
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))  # noqa: S314 - as pytest wrote it
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        skipped = case.find("skipped")
        bad = case.find("failure") is not None or case.find("error") is not None
        counts["failed" if bad else "passed" if skipped is None else "skipped"] += 1
        if skipped is not None:
            reasons[f"{path.stem}: {skipped.get('message', 'no reason given')}"] += 1
        seconds.append((float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}"))
    if code and not counts["failed"]:
        print(f"── tests: {path.stem} ended with {code} and no failed test: what it printed says why")
        counts["failed"] += 1
    return counts, reasons, seconds


def main(passed: str, failed: str, *results: str) -> int:
    """Prints the summary; the exit code."""
    counts: Counter[str] = Counter({"passed": int(passed), "failed": int(failed)})
    reasons: Counter[str] = Counter()
    seconds: list[tuple[float, str]] = []
    for path in results:
        more, why, times = read(Path(path))
        counts += more
        reasons += why
        seconds += times
    if reasons:
        print("── skipped")
        for reason, number in sorted(reasons.items()):
            print(f"{number:5}  {reason}")
    print("── the slowest")
    for taken, name in sorted(seconds, reverse=True)[:SLOWEST]:
        print(f"{taken:7.1f} s  {name}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
