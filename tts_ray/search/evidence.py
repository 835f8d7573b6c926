"""From the paths that a tree grew to the nodes that a record keeps, and back.

A path is known by its lineage. Every birth adds the steps that its parent does not have, so what
paths share is one node.
"""

from collections.abc import Collection, Mapping, Sequence

from tts_ray.types import Candidate, Finish, Node, Path, State, Step, path_to

Lineage = tuple[int, ...]


def evidence(
    born: Mapping[Lineage, Path], kept: Collection[Lineage]
) -> tuple[tuple[Node, ...], tuple[Candidate, ...]]:
    """The nodes and candidates of a record.

    Args:
        born: every path that was sampled, by its lineage, with the scores that it has.
        kept: the lineages of those that the search returned as answers.
    """
    continued = {path.lineage[:-1] for path in born.values() if not path.is_scratch}
    parents: list[int | None] = []
    numbers: list[int | None] = []
    steps: list[Step] = []
    states: list[State] = []
    scores: list[float | None] = []
    # The nodes of each path, from the first step on.
    chains: dict[Lineage, tuple[int, ...]] = {(): ()}
    candidates = []
    for lineage, path in sorted(born.items()):
        before = chains[lineage[:-1]]
        parent = born.get(lineage[:-1])
        known = len(before)
        new = path.steps[known:]
        chain = chains[lineage] = (*before, *range(len(steps), len(steps) + len(new)))
        parents += (None, *chain)[known : len(chain)]
        numbers += [lineage[-1], *[None] * (len(new) - 1)]
        steps += new
        states += [State.SCRATCH if path.is_scratch else State.KEPT] * len(new)
        scores += [None] * len(new)
        # A step may have been scored with a path that goes on from it.
        for at in range(len(parent.scores) if parent else 0, len(path.scores)):
            scores[chain[at]] = path.scores[at]
        if path.is_scratch:
            continue
        states[-1] = state_of(path, is_continued=lineage in continued)
        if not path.is_open:
            candidates.append(Candidate(chain[-1], lineage in kept))
    nodes = map(Node, parents, numbers, steps, scores, states)
    return tuple(nodes), tuple(candidates)


def state_of(path: Path, *, is_continued: bool) -> State:
    """What became of the last step of a path."""
    match path.steps[-1].finish:
        case Finish.EOS:
            return State.COMPLETE
        case Finish.LENGTH:
            return State.CUT
        case Finish.STEP:
            return State.KEPT if is_continued else State.PRUNED


def paths_of(nodes: Sequence[Node]) -> dict[Lineage, Path]:
    """The paths that a tree grew, by lineage: the inverse of `evidence`."""
    ends = [
        at
        for at, _ in enumerate(nodes)
        if at + 1 == len(nodes) or nodes[at + 1].parent != at or nodes[at + 1].child is not None
    ]
    found = (path_to(nodes, at) for at in ends)
    return {path.lineage: path for path in found}
