"""Parts are merged, and at every instant each row counts once and in its place."""

import asyncio
import errno
import random
import tempfile
from contextlib import suppress
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.results.earlier_parts import earlier_part, earlier_row
from tests.unit.results.test_run_directory import IDENTITY, opened, record_of
from tts_ray.errors import StoreError
from tts_ray.results import compaction
from tts_ray.results.compaction import compact
from tts_ray.results.folder import folder_at
from tts_ray.results.part_file import BadPart, open_part, read_part
from tts_ray.results.part_name import part_name, part_numbers, split
from tts_ray.results.stored_parts import parts, read, records
from tts_ray.results.stored_run import look_at

NOISE = random.Random(0)


def noisy(number, error=None, size=3000):
    """A record whose text does not get smaller by being compressed."""
    record = record_of(number, error)
    text = NOISE.randbytes(size).hex()
    first, *others = record.nodes
    return replace(record, nodes=(replace(first, step=replace(first.step, text=text)), *others))


@pytest.fixture
def small(monkeypatch):
    """Merged parts of some 60 kB, with row groups of some 15 kB."""
    monkeypatch.setattr(compaction, "TARGET", 60_000)
    monkeypatch.setattr(compaction, "ROW_GROUP", 15_000)


def append(folder, *records):
    """A job that stores each of these in a part of its own."""
    with opened(folder) as directory:
        for record in records:
            asyncio.run(directory.append(record))
        directory.confirm()


def merged(folder):
    with folder.lock() as lock:
        return compact(folder, lock)


def rows(folder):
    """What is stored, in the order of reading."""
    columns = ["question", "error", "nodes.list.element.text"]
    return read(folder, columns).to_pylist()


def questions(folder):
    return [row["question"] for row in read(folder, ["question"]).to_pylist()]


def asked(*numbers):
    return [record_of(number).problem.question for number in numbers]


def part_files(folder):
    """The names of all parts, superseded ones too."""
    return [name for name in folder.files() if part_numbers(name)]


class Crash(BaseException):
    """The job ends here, as a kill would end it."""


class Crashing:
    """A folder whose job is killed before its change number `at`, counted from 0."""

    def __init__(self, folder, at=None):
        self._folder = folder
        self._at = at
        self.changes = 0

    def __getattr__(self, name):
        found = getattr(self._folder, name)
        if name not in ("create", "delete", "rename", "write"):
            return found

        def change(*arguments):
            if self.changes == self._at:
                raise Crash
            self.changes += 1
            return found(*arguments)

        return change


def copied(files, folder):
    """The folder with exactly these files."""
    for name in folder.files():
        folder.delete(name)
    for name, content in files.items():
        folder.write(name, content)


def test_a_crash_at_any_change_loses_and_doubles_nothing_and_the_next_job_finishes_it(
    folder, small
):
    retried = [noisy(2, "EngineError: died"), noisy(3), noisy(2)]
    append(folder, *map(noisy, range(4)), *retried, *map(noisy, range(4, 9)))
    merged(folder)
    append(folder, *map(noisy, range(9, 14)))
    files = {name: folder.read(name) for name in folder.files() if name != "lock"}
    wanted, ended = rows(folder), list(records(folder))
    assert len(wanted) == 17
    calm = Crashing(folder)
    assert merged(calm).before - 2 > len(parts(folder)) > 1
    assert rows(folder) == wanted
    for at in range(calm.changes):
        copied(files, folder)
        with pytest.raises(Crash):
            merged(Crashing(folder, at))
        assert rows(folder) == wanted
        assert list(records(folder)) == ended
        # The job that follows may be killed as well, at its own first change after the probe.
        with pytest.raises(Crash), opened(Crashing(folder, 2)):
            raise Crash
        assert rows(folder) == wanted
        with opened(folder) as directory:
            assert part_files(folder) == sorted(parts(folder))
            directory.merge_parts()
            directory.confirm()
        assert rows(folder) == wanted
        again = merged(folder)
        assert again.before == again.after < 6
        assert list(records(folder)) == ended


def test_a_run_of_small_parts_is_one_and_says_its_numbers(folder):
    append(folder, *map(record_of, range(12)))
    before, stored = read(folder), list(records(folder))
    sizes = folder.sizes()
    done = merged(folder)
    assert (done.before, done.after) == (12, 1)
    assert done.size == folder.sizes()["part-000001-000012.parquet"] < sum(sizes.values()) / 4
    assert part_files(folder) == ["part-000001-000012.parquet"]
    assert read(folder).equals(before)
    assert list(records(folder)) == stored


def test_a_run_that_was_merged_goes_on_and_is_merged_again(folder):
    append(folder, *map(record_of, range(3)))
    merged(folder)
    append(folder, *map(record_of, range(3, 5)))
    first = "part-000001-000003.parquet"
    assert parts(folder) == [first, "part-000004.parquet", "part-000005.parquet"]
    assert questions(folder) == asked(*range(5))
    merged(folder)
    assert part_files(folder) == ["part-000001-000005.parquet"]
    assert questions(folder) == asked(*range(5))
    append(folder, record_of(5))
    assert parts(folder)[-1] == "part-000006.parquet"


def test_a_merged_part_is_about_as_large_as_asked_and_is_not_written_again(disk, small):
    append(disk, *map(noisy, range(40)))
    merged(disk)
    sizes = [disk.sizes()[name] for name in parts(disk)]
    assert len(sizes) > 2
    assert all(30_000 < size < 90_000 for size in sizes[:-1])
    calm = Crashing(disk)
    merged(calm)
    assert calm.changes == 0
    append(disk, noisy(40), noisy(41))
    large = parts(disk)[:-3]
    contents = [disk.read(name) for name in large]
    merged(disk)
    assert parts(disk)[: len(large)] == large
    assert [disk.read(name) for name in large] == contents
    assert questions(disk) == asked(*range(42))


@pytest.mark.parametrize("count", [0, 1])
def test_where_there_is_nothing_to_merge_nothing_is_written(disk, count):
    append(disk, *map(record_of, range(count)))
    calm = Crashing(disk)
    done = merged(calm)
    assert (done.before, done.after, calm.changes) == (count, count, 0)


def test_a_number_that_is_missing_is_not_merged_over(folder):
    append(folder, *map(record_of, range(6)))
    kept = folder.read("part-000003.parquet")
    folder.delete("part-000003.parquet")
    merged(folder)
    assert parts(folder) == ["part-000001-000002.parquet", "part-000004-000006.parquet"]
    folder.write("part-000003.parquet", kept)
    append(folder)
    assert questions(folder) == asked(*range(6))


def test_parts_are_merged_as_they_were_written_and_apart_if_they_are_not_alike(folder):
    append(folder, *map(record_of, range(8)))
    first, second, third, fourth, *_ = names = parts(folder)
    for number, name in ((0, first), (1, second)):
        row = earlier_row(record_of(number), "best_of_n(n=2)")
        folder.write(name, earlier_part("2", [row]))
    for number, name in ((2, third), (3, fourth)):
        row = earlier_row(record_of(number))
        folder.write(name, earlier_part("3", [row], lacks=("also_accepted",)))
    before, stored = read(folder, ["question", "n", "label"]), list(records(folder))
    schemas = [open_part(folder, name).file.schema_arrow for name in names[::2]]
    assert schemas[0].metadata == {b"tts_ray.schema": b"2"}
    done = merged(folder)
    assert (done.before, done.after) == (8, 3)
    assert [open_part(folder, name).file.schema_arrow for name in parts(folder)] == schemas[:3]
    assert read(folder, ["question", "n", "label"]).equals(before)
    assert list(records(folder)) == stored


def half_merged(folder, count=4, deleted=0):
    """A run whose merging was killed after the new part was there, and `deleted` old ones gone."""
    append(folder, *map(record_of, range(count)))
    with pytest.raises(Crash):
        merged(Crashing(folder, 1 + deleted))
    return part_name(1, count)


def damage(folder, name):
    folder.write(name, folder.read(name)[:-9])


@pytest.mark.parametrize("deleted", [0, 2])
def test_of_a_damaged_merged_part_the_old_ones_that_are_still_there_count(folder, deleted, caplog):
    name = half_merged(folder, deleted=deleted)
    assert parts(folder) == [name]
    damage(folder, name)
    with pytest.raises(StoreError, match=f"{name} is not readable"):
        read(folder)
    found = look_at(folder, IDENTITY)
    assert (found.bad_parts, found.searches) == ([name], 4 - deleted)
    with pytest.raises(BadPart, match=name):
        merged(folder)
    assert len(part_files(folder)) == 5 - deleted
    with opened(folder):
        pass
    assert f"set aside as {name}.bad" in caplog.text
    assert questions(folder) == asked(*range(deleted, 4))
    append(folder, record_of(9))
    assert parts(folder)[-1] == "part-000005.parquet"
    merged(folder)
    assert questions(folder) == asked(*range(deleted, 4), 9)
    assert f"{name}.bad" in folder.files()


def test_the_searches_of_a_damaged_merged_part_are_done_again(folder):
    append(folder, *map(record_of, range(3)))
    merged(folder)
    damage(folder, "part-000001-000003.parquet")
    append(folder, record_of(7))
    assert parts(folder) == ["part-000004.parquet"]
    assert questions(folder) == asked(7)


def test_a_copy_of_a_merged_part_is_set_aside(disk):
    append(disk, *map(record_of, range(3)))
    merged(disk)
    disk.write("part-000001-000009.parquet", disk.read("part-000001-000003.parquet"))
    append(disk)
    assert parts(disk) == ["part-000001-000003.parquet"]


def test_a_damaged_part_is_named_and_neither_merged_nor_set_aside(folder):
    append(folder, *map(record_of, range(4)))
    damage(folder, "part-000003.parquet")
    before = part_files(folder)
    with pytest.raises(BadPart, match=r"part-000003\.parquet is not readable"):
        merged(folder)
    assert part_files(folder) == before


def test_a_merged_part_that_is_lost_while_the_job_runs_is_noticed_at_its_end(folder):
    append(folder, *map(record_of, range(3)))
    with opened(folder) as directory:
        directory.merge_parts()
        directory.confirm()
        folder.delete("part-000001-000003.parquet")
        with pytest.raises(StoreError, match=r"missing or changed \(part-000001-000003"):
            directory.confirm()


class Failing(Crashing):
    """A folder that cannot take a merged part."""

    def __getattr__(self, name):
        if name == "create":
            raise OSError(errno.ENOSPC, "No space left on device")
        return getattr(self._folder, name)


def test_a_full_disk_at_the_end_is_a_warning_and_changes_nothing(folder, caplog):
    append(folder, *map(record_of, range(3)))
    before = part_files(folder)
    with opened(folder) as directory:
        directory.folder = Failing(folder)
        directory.merge_parts()
    assert "not all merged" in caplog.text
    assert "No space left on device; what is there is intact" in caplog.text
    assert part_files(folder) == before


def test_what_was_not_stored_as_it_was_written_replaces_nothing(disk):
    append(disk, *map(record_of, range(3)))
    before = part_files(disk)
    create = disk.create
    disk.create = lambda name, content: create(name, content[:100] + b"x" + content[101:])
    with pytest.raises(StoreError, match="was not stored as it was written"):
        merged(disk)
    assert part_files(disk) == before


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_job_that_lost_its_lock_deletes_nothing(folder, is_whole):
    append(folder, *map(record_of, range(3)))
    create, before = folder.create, len(part_files(folder))
    if not is_whole:
        folder.create = lambda name, content: create(name, content[:-9])

    class Lost:
        """A lock that is lost once the merged part is there."""

        def check(self):
            if "part-000001-000003.parquet" in folder.files():
                raise StoreError("another job has taken the run over")

    with folder.lock(), pytest.raises(StoreError, match="taken the run over"):
        compact(folder, Lost())
    assert len(part_files(folder)) == before + 1
    append(folder)
    assert questions(folder) == asked(*range(3))


class Moving:
    """A folder whose parts are merged by a job that ends while they are read: before reading
    number `at`, and with `ever` before each further one, one more part and all anew."""

    def __init__(self, folder, at, *, ever=False):
        self._folder = folder
        self._at = at
        self._ever = ever
        self.reads = 0

    def __getattr__(self, name):
        return getattr(self._folder, name)

    def read(self, name):
        if part_numbers(name):
            if self.reads == self._at or (self._ever and self.reads > self._at):
                append(self._folder, record_of(100 + self.reads))
                merged(self._folder)
            self.reads += 1
        return self._folder.read(name)


@pytest.mark.parametrize("at", [0, 1, 3])
def test_who_reads_while_the_parts_are_merged_sees_each_row_once(disk, at):
    append(disk, *map(record_of, range(4)))
    wanted = asked(*range(4), 100 + at)
    assert questions(Moving(disk, at)) == wanted
    append(disk, record_of(5))
    names = [each.problem.question for each in records(Moving(disk, at % 2))]
    assert sorted(names) == sorted({*questions(disk)})
    assert len(names) == len(set(names))


def test_who_reads_while_the_parts_change_all_the_time_is_told(disk):
    append(disk, *map(record_of, range(4)))
    for reading in (read, lambda folder: list(records(folder))):
        with pytest.raises(StoreError, match="are being merged; read it again"):
            reading(Moving(disk, 0, ever=True))


def test_a_listing_that_was_made_while_parts_were_deleted_is_not_trusted(disk):
    """A folder is not listed in one instant: a new file may be missed, and old ones gone."""
    append(disk, *map(record_of, range(4)))
    stale = ["part-000003.parquet", "part-000004.parquet"]
    contents = {name: disk.read(name) for name in stale}
    merged(disk)
    for name, content in contents.items():
        disk.write(name, content)
    listed = disk.files
    first = iter([stale])
    disk.files = lambda: next(first, None) or listed()
    assert questions(disk) == asked(*range(4))


@pytest.mark.parametrize(
    ("names", "counting"),
    [
        ([(1, 1), (2, 2)], [(1, 1), (2, 2)]),
        ([(2, 2), (1, 3), (3, 3), (4, 4)], [(1, 3), (4, 4)]),
        ([(1, 9), (1, 3), (1, 1), (9, 9), (4, 9)], [(1, 9)]),
        ([(1, 3), (10, 12), (11, 11), (4, 4)], [(1, 3), (4, 4), (10, 12)]),
        (
            [(999_999, 999_999), (1_000_000, 1_000_000), (2, 2)],
            [(2, 2), (999_999,) * 2, (10**6,) * 2],
        ),
    ],
)
def test_a_part_within_the_numbers_of_a_wider_one_is_superseded(names, counting):
    def spelled(numbers):
        return [part_name(a) if a == b else part_name(a, b) for a, b in numbers]

    found, superseded = split([*spelled(names), "run.yaml", "part-000001.parquet.bad"])
    assert found == spelled(counting)
    assert sorted(superseded) == sorted(set(spelled(names)) - set(spelled(counting)))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("compact"), st.none()),
        st.tuples(st.just("crash"), st.integers(0, 8)),
        st.tuples(st.just("damage"), st.integers(0, 20)),
    ),
    max_size=8,
)


@settings(max_examples=20)
@given(STEPS)
def test_whatever_happens_each_row_of_a_whole_file_counts_once_and_in_order(steps):
    with (
        tempfile.TemporaryDirectory() as place,
        patch.object(compaction, "TARGET", 60_000),
        patch.object(compaction, "ROW_GROUP", 15_000),
    ):
        folder = folder_at(f"{place}/run")
        written = 0
        wanted = []
        append(folder)
        for step, value in steps:
            match step:
                case "append":
                    new = range(written, written + value)
                    append(folder, *map(noisy, new))
                    wanted += new
                    written += value
                case "compact":
                    merged(folder)
                case "crash":
                    with suppress(Crash):
                        merged(Crashing(folder, value))
                case "damage" if files := part_files(folder):
                    damage(folder, files[value % len(files)])
                    whole = {q for name in part_files(folder) for q in questions_in(folder, name)}
                    wanted = [number for number in wanted if asked(number)[0] in whole]
                    append(folder)
            assert questions(folder) == asked(*wanted)
        with opened(folder) as directory:
            directory.merge_parts()
            directory.confirm()
        assert questions(folder) == asked(*wanted)
        assert part_files(folder) == sorted(parts(folder))


def questions_in(folder, name):
    """The questions in a part, none if it is damaged."""
    try:
        return read_part(folder, name, ["question"]).column("question").to_pylist()
    except BadPart:
        return []
