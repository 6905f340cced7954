"""What the trigger form and a run's first task refuse, and how the outcome of a run follows from its domains."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import ParamValidationError

from dags.form import FORM, RequestOperator, refusal
from dags.outcome import problems

TODAY = date(2026, 11, 28)
NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)
DONE = {"movies.pin": "success", "movies.publish": "success", "movies.report": "failed", "spark_stop": "success"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ds": "2031-01-01"}, "ds 2031-01-01 is not over (today is 2026-11-28, UTC)"),
        ({"ds": "2026-11-28"}, "ds 2026-11-28 is not over"),
        ({"typo": 1, "dss": 2}, "unknown keys: dss, typo; there are: domains, ds, top_k, models, run"),
        ({"ds": "2026-11-27", "run": ["a"]}, "run must be letters, digits"),
        ({"ds": "2026-11-27", "run": "x" * 10_000}, "run must be letters, digits"),
        ({"ds": "2026-11-27", "run": "a:b"}, "got 'a:b'"),
        ({"ds": "2026-11-27", "run": ""}, "run must be letters, digits"),
    ],
)
def test_a_request_that_no_night_can_meet_is_refused(params, message):
    result = refusal(params, params, NIGHT, TODAY)
    assert message in result
    assert len(result) < 300


def test_a_date_is_that_of_the_schedule_or_ds():
    assert "needs `ds`, the completed day" in refusal({}, {}, None, TODAY)
    early = refusal({}, {"ds": None}, datetime(2018, 9, 25, tzinfo=UTC), TODAY)
    assert 'leave it out and give the completed day: {"ds": "2018-09-25"}' in early
    assert refusal({}, {"ds": "2018-09-24"}, datetime(2018, 9, 25, tzinfo=UTC), TODAY) is None
    assert refusal({}, {}, NIGHT, TODAY) is None
    assert refusal({"ds": "2026-11-27", "run": "mine"}, {"ds": "2026-11-27", "run": "mine"}, None, TODAY) is None
    assert "conf must be an object" in refusal(["ds"], {}, NIGHT, TODAY)


def test_the_form_shows_how_long_lists_are_where_nothing_is_asked_for():
    assert "Empty: as each domain has it (games 20, movies 20, music 20)" in FORM["top_k"].description
    for name, field in FORM.items():
        assert field.schema.get("title"), name
        assert "mpty: " in field.description or "default: all" in field.description, name


@pytest.mark.parametrize("value", [5000, 0, -1, 2.5, "20", True])
def test_a_list_that_is_too_long_or_no_number_is_refused_and_not_clipped(value):
    with pytest.raises(ParamValidationError):
        FORM["top_k"].resolve(value)
    assert FORM["top_k"].resolve(1000) == 1000


@pytest.mark.parametrize("value", ["a:b", "a+b", "", ["a"], "x" * 201, 7])
def test_a_run_has_a_name_that_is_a_folder(value):
    with pytest.raises(ParamValidationError):
        FORM["run"].resolve(value)
    assert FORM["run"].resolve("nightly_20261128T010203_abc123")


@pytest.mark.parametrize(
    ("earlier", "user", "turn"),
    [
        (None, "admin", True),
        ({"domains": ["music"]}, "admin", True),
        ({"domains": ["music", "movies"]}, "admin", False),
        ({}, None, False),  # all domains, by schedule
        ({}, "dag_test", True),  # `encore nightly` after one that was killed
    ],
)
def test_a_night_waits_for_an_earlier_one_of_its_domains(earlier, user, turn):
    class Instance:
        def get_previous_dagrun(self, state):
            assert state == "running"
            return None if earlier is None else SimpleNamespace(run_id="before", conf=earlier)

    run = SimpleNamespace(conf={"domains": ["movies"]}, logical_date=NIGHT, triggering_user_name=user)
    context = {"dag_run": run, "params": {"domains": ["movies"], "ds": None}, "ti": Instance()}
    assert RequestOperator(task_id="request").poke(context) is turn


def test_every_field_of_the_form_has_a_title_and_says_its_range():
    for name, param in FORM.items():
        assert param.schema["title"] != name
        assert param.description
    assert "1 to 1000" in FORM["top_k"].description
    # Beside `type`, the form would turn 5000 into 1000 without a word.
    assert not {"minimum", "maximum"} & set(FORM["top_k"].schema)


def test_a_run_is_good_where_every_domain_is_complete_or_refused():
    assert problems(DONE, {"movies": None}) == []
    assert (
        problems({**DONE, "music.pin": "skipped", "music.publish": "skipped"}, {"movies": None, "music": "none"}) == []
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"movies.publish": "skipped"}, "movies is neither complete nor refused with a reason"),
        ({"movies.publish": "skipped", "movies.pin": "skipped"}, "movies is neither complete nor refused"),
        ({"movies.publish": "upstream_failed", "movies.clean": "failed"}, "failed: movies.clean"),
        ({"movies.train_ease": "failed"}, "failed: movies.train_ease"),
        ({"spark_check": "failed"}, "failed: spark_check"),
    ],
)
def test_a_run_is_bad_where_a_domain_is_neither(changed, message):
    assert any(message in result for result in problems({**DONE, **changed}, {"movies": None}))


def test_only_the_outcome_decides_on_a_run(dag):
    """Of what Airflow looks at: tasks that nothing but teardowns follow, and teardowns that count."""
    counts = [task for task in dag.tasks if not task.is_teardown or task.on_failure_fail_dagrun]
    leaves = [task.task_id for task in counts if not {d.task_id for d in counts} & task.downstream_task_ids]
    assert leaves == ["complete"]
