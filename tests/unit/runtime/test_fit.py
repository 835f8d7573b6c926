import pytest

from tts_ray.runtime.fit import fitting, remedy
from tts_ray.runtime.place import Place

NODE = {"CPU": 32.0, "GPU": 8.0}
POLICY, PRM = ("policy", Place(4, 4)), ("prm", Place(4, 1))


def test_what_fits_has_one_of_each_role_before_a_second_of_any():
    assert fitting([POLICY, POLICY, PRM], [NODE]) == [POLICY, PRM]


def test_a_replica_over_nodes_fits_whole_or_not_at_all():
    wide = ("policy", Place(4, 16, nodes=2))
    assert fitting([wide, PRM], [NODE, NODE, NODE]) == [wide, PRM]
    assert fitting([wide, PRM], [NODE]) == [PRM]


def test_shares_of_a_card_add_up():
    share = ("prm", Place(1, 0.5))
    assert len(fitting([share] * 20, [NODE])) == 16
    pair = [("policy", Place(1, 0.9)), ("prm", Place(1, 0.1))]
    assert len(fitting(pair * 8, [NODE])) == 16
    thirds = [("policy", Place(1, 0.7)), ("prm", Place(1, 0.3))]
    assert len(fitting(thirds * 4, [{"CPU": 32.0, "GPU": 4.0}])) == 8


def test_small_replicas_leave_the_empty_node_to_the_large_one():
    half = {"CPU": 32.0, "GPU": 4.0}
    assert len(fitting([PRM, ("policy", Place(4, 8))], [half, NODE])) == 2


@pytest.mark.parametrize(
    ("places", "nodes", "said"),
    [
        (
            [POLICY] * 4 + [PRM] * 2,
            [NODE, NODE],
            "There is room for 3 policy replica(s): lower replicas or min_replicas. "
            "Add nodes with room for 1 x policy (4 CPU, 4 GPU)",
        ),
        ([POLICY, PRM], [{"CPU": 8.0, "GPU": 4.0}], "Add nodes with room for 1 x prm"),
        ([POLICY], [], "Add nodes with room for 1 x policy (4 CPU, 4 GPU)"),
        ([POLICY], [NODE], "All of it has room"),
    ],
)
def test_the_smallest_change_is_named(places, nodes, said):
    assert remedy(places, nodes).startswith(said)
