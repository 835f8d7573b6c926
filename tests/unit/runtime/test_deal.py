import pytest

from tts_ray.runtime.deal import deal, searchers_for


@pytest.mark.parametrize(
    ("asked", "replicas", "count"),
    [
        (None, {"policy": 1, "prm": 1}, 0),
        (None, {"policy": 16, "prm": 16}, 0),
        (None, {"policy": 17, "prm": 17}, 2),
        (None, {"policy": 64, "prm": 64}, 4),
        (None, {"policy": 512, "prm": 100}, 32),
        (None, {"policy": 64}, 4),
        (None, {"prm": 64}, 4),
        (0, {"policy": 64, "prm": 64}, 0),
        (3, {"policy": 4, "prm": 3}, 3),
    ],
)
def test_there_are_as_many_searchers_as_asked_or_as_the_policies_need(asked, replicas, count):
    assert searchers_for(asked, replicas, replicas) == count


def test_every_pod_begins_with_one_replica_of_each_role():
    assert searchers_for(None, {"policy": 64, "prm": 2}, {"policy": 64, "prm": 2}) == 2
    assert searchers_for(None, {"policy": 64, "prm": 64}, {"policy": 3, "prm": 64}) == 3


def lying_on(**counts):
    """Replicas by the nodes they lie on, so many on each."""
    return {f"{node}{i}": node for node, count in counts.items() for i in range(count)}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_each_replica_is_dealt_once_and_pods_differ_by_one_at_most(count):
    nodes = {"policy": lying_on(a=4, b=7), "prm": lying_on(c=2, b=3)}
    pods = deal(nodes, count)
    for role, places in nodes.items():
        assert sorted(each for pod in pods for each in pod[role]) == sorted(places)
        sizes = [len(pod[role]) for pod in pods]
        assert max(sizes) - min(sizes) <= 1


def test_replicas_of_one_node_are_one_pod_where_the_sizes_allow_it():
    policies, prms = lying_on(a=8, b=8, c=8), lying_on(c=2, a=2, b=2)
    for pod in deal({"policy": policies, "prm": prms}, 3):
        assert len({policies[each] for each in pod["policy"]} | {prms[e] for e in pod["prm"]}) == 1


def test_a_pod_takes_reward_models_from_elsewhere_before_it_has_too_few():
    policies, prms = lying_on(a=2, b=2), lying_on(a=3, c=1)
    first, second = deal({"policy": policies, "prm": prms}, 2)
    assert {prms[each] for each in first["prm"]} == {"a"}
    assert sorted(prms[each] for each in second["prm"]) == ["a", "c"]


def test_no_searcher_is_no_pod():
    assert deal({"policy": lying_on(a=2)}, 0) == []
