"""Where problems come from: a file, a dataset of the hub, or the pocket suite. A row that is not a
problem stops the run, or is left out and counted where that is asked for; none is just dropped."""

import os.path
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from tts_ray.data.files import FORMATS, Row, format_of, local, read_file
from tts_ray.data.problem_set import ProblemFacts, ProblemSet, digest_of
from tts_ray.data.rows import BadRow, to_problem
from tts_ray.errors import ConfigError
from tts_ray.text import one_line
from tts_ray.types import Problem
from tts_ray.yaml_text import PATH, short

POCKET = "pocket"
OTHER_FILES = (
    *(".tsv", ".txt", ".yaml", ".yml", ".arrow", ".xlsx", ".ndjson"),
    *(".gz", ".zip", ".xz", ".zst", ".bz2"),
)


def load_problems(
    path: str,
    *,
    split: str = "test",
    subset: str | None = None,
    revision: str | None = None,
    question: str = "problem",
    answer: str = "answer",
    level: str | None = None,
    limit: int | None = None,
    levels: list[int] | None = None,
    ids: list[str] | None = None,
    skip_bad: bool = False,
) -> ProblemSet:
    """Load the problems of a file, a Hugging Face dataset or the pocket suite.

    Args:
        path: a file of one of `FORMATS`, a Hugging Face dataset id, or "pocket".
        split, subset: which part of a dataset; files have none.
        revision: of a Hugging Face dataset: a branch, tag or commit; others have none.
        question, answer, level: column names; `level` may be absent.
        limit: so many of the chosen problems, evenly spaced, so that a file sorted by level
            gives some of each.
        levels, ids: only problems of these levels, or with these ids.
        skip_bad: leave out rows without a usable question or answer, and repeated ones.

    Raises:
        ConfigError: the data, a column or a value is missing, or nothing is left.
    """
    columns = [each for each in (question, answer, level) if each]
    problems: list[Problem] = []
    places: dict[str, str] = {}
    rows, left_out = 0, 0
    first_left_out: str | None = None
    for where, row in read_rows(path, split, subset, revision, columns):
        rows += 1
        try:
            problem = to_problem(row, where, question, answer, level)
            if problem.id in places:
                raise BadRow(f"{where}: the same problem as {places[problem.id]}")
        except BadRow as error:
            if not skip_bad:
                raise ConfigError(
                    f"{error}; dataset.skip_bad=true leaves such rows out and counts them"
                ) from None
            left_out += 1
            first_left_out = first_left_out or str(error)
            continue
        places[problem.id] = where
        problems.append(problem)
    name = short(path, PATH)
    if not rows:
        raise ConfigError(f"{name} holds no problem")
    if not problems:
        raise ConfigError(f"{name}: none of {rows} rows is a problem; the first: {first_left_out}")
    chosen = choose(problems, name, limit, levels, ids)
    facts = ProblemFacts(len(chosen), digest_of(chosen), rows, left_out, first_left_out)
    remarks = [facts.said, said_of_same_questions(problems, places)]
    return ProblemSet(chosen, facts, tuple(filter(None, remarks)))


def choose(
    problems: list[Problem],
    name: str,
    limit: int | None,
    levels: list[int] | None,
    ids: list[str] | None,
) -> list[Problem]:
    """The problems that a configuration asks for.

    Raises:
        ConfigError: an id is not there, or nothing is left.
    """
    if ids is not None:
        known = {problem.id for problem in problems}
        for wanted in ids:
            if wanted not in known:
                raise ConfigError(f"{name}: no problem has the id {short(wanted)!r}")
        problems = [problem for problem in problems if problem.id in ids]
    if levels is not None:
        problems = [problem for problem in problems if problem.level in levels]
    if limit is not None and limit < len(problems):
        problems = [problems[at * len(problems) // limit] for at in range(limit)]
    if not problems:
        raise ConfigError(f"{name}: no problem is left; see dataset.limit, .levels and .ids")
    return problems


def said_of_same_questions(problems: list[Problem], places: dict[str, str]) -> str:
    """Which questions stand there with different answers, in one line; empty if none do."""
    firsts: dict[str, Problem] = {}
    repeated = [p for p in problems if firsts.setdefault(p.question, p) is not p]
    if not repeated:
        return ""
    first = repeated[0]
    count = len({problem.question for problem in repeated})
    stand = "question stands" if count == 1 else "questions stand"
    return (
        f"{count} {stand} there more than once, with different answers, which makes them different "
        f"problems; the first: {places[firsts[first.question].id]} and {places[first.id]}"
    )


def is_here(path: str) -> bool:
    """Whether a path names the pocket suite or a file of this machine."""
    return path == POCKET or (format_of(path) is not None and os.path.isfile(local(path)))


def read_rows(
    path: str, split: str, subset: str | None, revision: str | None, columns: Collection[str]
) -> Iterable[Row]:
    """The rows of `path`, whatever it names, with at least the values of these columns.

    Raises:
        ConfigError: it cannot be read.
    """
    form = format_of(path)
    for key, value in (("revision", revision), ("subset", subset)):
        if value is not None and (path == POCKET or form):
            raise ConfigError(
                f"dataset.{key}={short(value)} is of a dataset of the hub, and "
                f"{short(path, PATH)} has none; leave it out"
            )
    if path == POCKET:
        return numbered(path, pocket_rows(split))
    if form:
        if not os.path.isfile(local(path)):
            raise ConfigError(f"no data file {short(path, PATH)!r}")
        return read_file(local(path), columns)
    if path.lower().endswith(OTHER_FILES) or os.path.exists(local(path)):
        raise ConfigError(
            f"{short(path, PATH)} is no data file that can be read; give one of "
            f"{', '.join(FORMATS)}, each also with .gz, or the id of a dataset of the hub"
        )
    return numbered(path, read_hub(path, split, subset, revision))


def numbered(path: str, rows: Iterable[Any]) -> Iterator[Row]:
    """Rows with their numbers, from 1."""
    return ((f"{short(path, PATH)}: row {number}", row) for number, row in enumerate(rows, start=1))


def pocket_rows(split: str) -> list[dict[str, Any]]:
    from tts_ray.pocket import task

    try:
        items = task.split(split)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return [{"problem": i.question, "answer": i.answer, "level": i.level} for i in items]


def read_hub(path: str, split: str, subset: str | None, revision: str | None) -> Iterator[Any]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    try:
        yield from load_dataset(path, subset, split=split, revision=revision)
    except Exception as error:
        raise ConfigError(
            f"dataset {short(path)!r} (subset {subset}, split {split!r}, revision "
            f"{revision or 'newest'}) cannot be loaded: {one_line(error, 300)}; a local file "
            f"({', '.join(FORMATS)}) works without a network"
        ) from None
