import json

import pytest
from datasets import Dataset

from tts_ray.data.problems import load_problems
from tts_ray.errors import ConfigError

ROWS = [
    {"problem": "1+1?", "answer": "2", "level": "Level 1"},
    {"problem": "2+2?", "answer": 4.0, "level": "Level 2"},
    {"problem": "a?", "answer": "025", "level": "Level 2"},
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "problems.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return str(path)


def test_json_lines_become_problems(file):
    problems = load_problems(file, level="level")
    assert [(p.question, p.answer, p.level) for p in problems] == [
        ("1+1?", "2", 1),
        ("2+2?", "4", 2),
        ("a?", "025", 2),
    ]


def test_parquet_gives_the_same_problems(tmp_path):
    rows = [row | {"answer": str(row["answer"])} for row in ROWS]
    path = str(tmp_path / "problems.parquet")
    Dataset.from_list(rows).to_parquet(path)
    assert [p.question for p in load_problems(path)] == ["1+1?", "2+2?", "a?"]


def test_the_pocket_suite_is_a_dataset():
    problems = load_problems("pocket", level="level")
    assert len(problems) >= 200
    assert {problem.level for problem in problems} == {1, 2, 3, 4, 5}


def test_an_id_depends_on_the_content_alone(file):
    whole = load_problems(file)
    assert load_problems(file, ids=[whole[2].id]) == [whole[2]]
    assert load_problems(file, level="level", limit=1)[0].id == whole[0].id


def test_levels_and_limit_choose_problems(file):
    assert len(load_problems(file, level="level", levels=[2])) == 2
    assert len(load_problems(file, level="level", levels=[2], limit=1)) == 1


def test_a_limit_takes_problems_evenly_spaced_so_every_level_is_there():
    problems = load_problems("pocket", level="level", limit=10)
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


def test_a_problem_that_occurs_twice_is_refused_with_its_rows(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*ROWS, ROWS[0]]))
    with pytest.raises(ConfigError, match="rows 1 and 4 are the same problem"):
        load_problems(str(path))


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n{broken")
    with pytest.raises(ConfigError, match=r"broken\.jsonl:2: not JSON"):
        load_problems(str(path))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"no data file 'none\.jsonl'"):
        load_problems("none.jsonl")


def test_an_unknown_pocket_split_is_refused():
    with pytest.raises(ConfigError, match="split"):
        load_problems("pocket", split="tset")
