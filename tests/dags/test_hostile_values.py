"""Hostile values in every field of every form: refused by its schema, or one word of a job's command line as it is."""

import re
from pathlib import Path

import pytest
from airflow.sdk.exceptions import ParamValidationError
from jinja2.sandbox import SandboxedEnvironment

from dags import erase_user, form, maintenance, retrain, rollback, similarity, tune
from tests.support.hostile import OTHERS, TEXTS

FORMS = {
    "nightly": form.FORM,
    "rollback": rollback.FORM,
    "maintenance": maintenance.FORM,
    "erase_user": erase_user.FORM,
    "tune": tune.FORM,
    "similarity": similarity.FORM,
    "retrain": retrain.FORM,
}
FIELDS = [(dag, field) for dag, fields in FORMS.items() for field in fields]
# What a schema lets through, and the job refuses or means: names of runs are made of these signs, null means a default.
ALLOWED = {
    ("nightly", "run"): {None, "-", "--help", "-rf", "CON", "NaN", "inf", "-1", "1e9", "0x10", "MOVIES", "today"}
    | {"2026-02-30", "2026-13-01", "20260101", "2026-W01-1", "0000-00-00"},
    ("rollback", "to"): {"..", ".", "-", "--help", "-rf", "CON", "NaN", "inf", "-1", "1e9", "0x10", "1.5", "MOVIES"}
    | {"today", "2026-02-30", "2026-13-01", "20260101", "2026-W01-1", "0000-00-00", "2026-11-27T00:00:00"},
    ("nightly", "ds"): {None},
    ("nightly", "top_k"): {None},
    ("erase_user", "confirmed"): {True},
    ("maintenance", "keep_nights"): {10**400},
    ("maintenance", "backup_to"): {None, *TEXTS},
    ("tune", "to"): {*TEXTS} - {""},
    ("retrain", "publish"): {True, False},
}
ALLOWED[("similarity", "run")] = ALLOWED[("nightly", "run")]
OBJECTS = {("retrain", "settings"): [{}, {"a": 1}]}  # one word of JSON, whose names and values the job checks


def accepted(field: tuple[str, str]) -> list[object]:
    """The hostile values that a field's schema takes, as they came."""
    param, taken = FORMS[field[0]][field[1]], []
    for value in (*TEXTS, *OTHERS):
        try:
            result = param.resolve(value)
        except ParamValidationError:
            continue
        assert result is value
        taken.append(value)
    return taken


@pytest.mark.parametrize("field", FIELDS, ids="-".join)
def test_schemas_take_what_they_say_and_nothing_else(field):
    assert len(TEXTS) + len(OTHERS) > 90
    taken = accepted(field)
    allowed = [(type(value), value) for value in ALLOWED.get(field, set())]
    allowed += [(dict, value) for value in OBJECTS.get(field, [])]
    assert [value for value in taken if (type(value), value) not in allowed] == []


def test_every_form_is_tried():
    """`request` has the forms that it checks; all DAGs stand here."""
    files = Path(form.__file__).parent.glob("*.py")
    assert {file.stem for file in files if re.search("^FORM = ", file.read_text(), re.MULTILINE)} - {"form"} == {
        *FORMS
    } - {"nightly"}


@pytest.mark.parametrize("dag", [rollback.dag, maintenance.dag], ids=lambda dag: dag.dag_id)
def test_a_value_stays_one_word_of_the_command_line(dag):
    """Whatever a field takes: it is not evaluated as a template again, and makes no second word."""
    environment = SandboxedEnvironment()
    fields = FORMS[dag.dag_id]
    defaults = {name: param.value for name, param in fields.items()}
    words = [argument for task in dag.tasks for argument in getattr(task, "arguments", ())]
    tried = 0
    for field in fields:
        for value in filter(None, accepted((dag.dag_id, field))):
            for argument in (word for word in words if f"params.{field}" in word):
                rendered = environment.from_string(argument).render(params=defaults | {field: value})
                assert rendered.startswith(f"{argument.partition('{')[0]}{value}"), (field, value)
                tried += 1
    assert tried
