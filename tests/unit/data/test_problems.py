import json

import pytest

from tts_ray.data.problems import load_problems
from tts_ray.errors import ConfigError
from tts_ray.types import Problem

ROWS = [
    {"problem": "1+1?", "answer": "2", "level": "Level 1"},
    {"problem": "2+2?", "answer": 4.0, "level": "Level 2"},
    {"problem": "a?", "answer": "025", "level": "Level 2"},
]


@pytest.fixture
def lines(tmp_path):
    """Writes rows as a file of JSON lines; its path."""

    def written(*rows):
        path = tmp_path / "problems.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return str(path)

    return written


@pytest.fixture
def file(lines):
    return lines(*ROWS)


def answered(*answers):
    """A row for each answer, with a question of its own."""
    return [{"problem": f"question {at}", "answer": each} for at, each in enumerate(answers)]


def test_json_lines_become_problems(file):
    problems = load_problems(file, level="level").problems
    assert [(p.question, p.answer, p.level) for p in problems] == [
        ("1+1?", "2", 1),
        ("2+2?", "4", 2),
        ("a?", "025", 2),
    ]


def test_the_pocket_suite_is_a_dataset():
    problems = load_problems("pocket", level="level").problems
    assert len(problems) >= 200
    assert {problem.level for problem in problems} == {1, 2, 3, 4, 5}


def test_an_id_depends_on_the_content_alone(file):
    whole = load_problems(file).problems
    assert load_problems(file, ids=[whole[2].id]).problems == [whole[2]]
    assert load_problems(file, level="level", limit=1).problems[0].id == whole[0].id


def test_levels_and_limit_choose_problems(file):
    assert len(load_problems(file, level="level", levels=[2]).problems) == 2
    assert len(load_problems(file, level="level", levels=[2], limit=1).problems) == 1


def test_a_limit_takes_problems_evenly_spaced_so_every_level_is_there():
    problems = load_problems("pocket", level="level", limit=10).problems
    assert [problem.level for problem in problems] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"question": "promblem"}, "did you mean 'problem'"),
        ({"level": "grade"}, "no 'grade'"),
        ({"ids": ["nope"]}, "no problem has the id 'nope'"),
        ({"levels": [9], "level": "level"}, "no problem is left"),
        ({"limit": 0}, "no problem is left"),
    ],
)
def test_what_is_missing_is_named(file, arguments, message):
    with pytest.raises(ConfigError, match=message):
        load_problems(file, **arguments)


def test_an_unknown_pocket_split_is_refused():
    with pytest.raises(ConfigError, match="split"):
        load_problems("pocket", split="tset")


# Accepted answers.


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("2", ("2",)),
        (["2"], ("2",)),
        ([2.0], ("2",)),
        (["1/2", "0.5"], ("1/2", "0.5")),
        ([2, "two"], ("2", "two")),
        ([2, "2", " 2 ", 2.0], ("2",)),
        ('["1", "2"]', ('["1", "2"]',)),
    ],
)
def test_a_list_holds_the_accepted_answers_and_text_is_text(lines, answer, accepted):
    (problem,) = load_problems(lines(*answered(answer))).problems
    assert problem.answers == accepted
    assert problem.answer == accepted[0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "answer is empty"),
        ("  ", "answer is empty"),
        ("$\\text{}$", "answer is empty"),
        (None, "answer is null"),
        (float("nan"), "answer is nan"),
        (float("inf"), "answer is inf"),
        ({"value": 2}, "answer is a mapping"),
        (True, "answer is true"),
        ([], "answer is an empty list"),
        ([None], "answer is null"),
        (["2", ""], r"answer\[1\] is empty"),
        ([["2"], "3"], r"answer\[0\] is a list"),
        ("a\0b", "control character"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_its_row_reason_and_remedy(lines, answer, why):
    file = lines(*answered("1", answer))
    with pytest.raises(ConfigError, match=rf"problems\.jsonl:2: .*{why}") as refused:
        load_problems(file)
    assert "dataset.skip_bad=true" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_problem_with_one_answer_has_the_id_that_it_always_had():
    assert Problem.of("What is 6 times 7?", "42").id == "a7a622a36ef0f230"


def test_the_order_of_accepted_answers_is_no_part_of_the_id_but_each_of_them_is():
    one, two = Problem.of("q", "1", also=("2",)), Problem.of("q", "2", also=("1",))
    assert one.id == two.id
    assert len({one.id, Problem.of("q", "1").id, Problem.of("q", "1", also=("3",)).id}) == 3


# Rows that are left out.


def test_rows_that_are_no_problems_are_left_out_and_counted_if_that_is_asked(lines):
    bad = [{"problem": "q"}, {"problem": None, "answer": "1"}, [1], 5, None]
    file = lines(*ROWS, *answered(None, "7"), *bad, ROWS[0])
    found = load_problems(file, skip_bad=True)
    assert [problem.answer for problem in found.problems] == ["2", "4", "025", "7"]
    assert (found.facts.count, found.facts.rows, found.facts.left_out) == (4, 11, 7)
    (remark,) = found.remarks
    assert remark.startswith("7 of 11 rows were left out (dataset.skip_bad), the first: ")
    assert remark.endswith("problems.jsonl:4: answer is null, not an answer: text or a number")
    assert found.summary == f"4 problems; {remark}"


def test_nothing_is_said_of_rows_that_are_all_problems(file):
    found = load_problems(file, skip_bad=True)
    assert found.facts.left_out == 0
    assert found.remarks == ()
    assert found.summary == "3 problems"


@pytest.mark.parametrize("column", [{"question": "promblem"}, {"answer": "anwser"}])
def test_a_column_that_no_row_has_is_refused_though_bad_rows_are_left_out(file, column):
    with pytest.raises(ConfigError, match=r"none of 3 rows is a problem.*did you mean"):
        load_problems(file, skip_bad=True, **column)


def test_a_line_that_is_not_json_stops_the_run_though_bad_rows_are_left_out(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n{broken")
    with pytest.raises(ConfigError, match=r"broken\.jsonl:2: not JSON"):
        load_problems(str(path), skip_bad=True)


def test_a_problem_that_occurs_twice_is_refused_with_both_places_and_the_remedy(lines):
    with pytest.raises(ConfigError, match=r"jsonl:4: the same problem as .*jsonl:1; dataset\.skip"):
        load_problems(lines(*ROWS, ROWS[0]))


def test_a_question_with_different_answers_is_two_problems_and_said(lines):
    other = {"problem": "1+1?", "answer": "10"}
    found = load_problems(lines(*ROWS, other))
    assert len(found.problems) == 4
    (remark,) = found.remarks
    assert "1 question stands there more than once, with different answers" in remark
    assert "jsonl:1 and " in remark and remark.endswith("jsonl:4")


# The digest.


def test_the_digest_is_of_the_problems_in_whatever_order_they_stand(lines):
    digest = load_problems(lines(*ROWS)).facts.digest
    assert load_problems(lines(*ROWS[::-1])).facts.digest == digest
    assert load_problems(lines(*ROWS, *answered(None)), skip_bad=True).facts.digest == digest
    corrected = [{**ROWS[0], "answer": "3"}, *ROWS[1:]]
    assert load_problems(lines(*corrected)).facts.digest != digest
    assert load_problems(lines(*ROWS[:2])).facts.digest != digest


# Revisions.


def test_a_revision_is_what_the_hub_is_asked_for(monkeypatch):
    asked = {}

    def load_dataset(path, subset, **more):
        asked.update(path=path, **more)
        return ROWS

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert len(load_problems("owner/name", revision="abc123").problems) == 3
    assert asked == {"path": "owner/name", "split": "test", "revision": "abc123"}


def test_a_dataset_of_the_hub_that_cannot_be_loaded_is_one_line(monkeypatch):
    def load_dataset(*_, **__):
        raise RuntimeError("no\nsuch\x1b[31m revision")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(ConfigError, match=r"revision abc.*no such revision") as refused:
        load_problems("owner/name", revision="abc")
    assert str(refused.value).isprintable()


def test_a_row_of_the_hub_that_cannot_be_read_is_one_line(monkeypatch):
    def load_dataset(*_, **__):
        yield ROWS[0]
        raise OSError("no image")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(ConfigError, match=r"'owner/name' .* cannot be loaded: no image"):
        load_problems("owner/name")


@pytest.mark.parametrize("key", ["revision", "subset"])
def test_a_file_and_the_pocket_suite_have_no_revision_and_no_subset(key, file):
    for path in (file, "pocket"):
        with pytest.raises(ConfigError, match=rf"dataset\.{key}=main .* has none; leave it out"):
            load_problems(path, **{key: "main"})
