"""An expression as a tree: what stands between the commas and relation signs of an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `op` is its name, `args` are the nodes that it takes.

    number     `value`, and `decimals`, its decimal places if it was written with a point
    symbol     `name`; constant  `name` is pi, e, i or oo
    + * neg / ^ ! sqrt (of, index), binom, functions by name, log (of, base), degree,
    apply (a function that is a symbol, its argument)
    matrix     `name` is "ROWSxCOLUMNS", `args` its entries by rows
    """

    op: str
    args: tuple["Node", ...] = ()
    value: Fraction = Fraction(0)
    decimals: int | None = None
    name: str = ""


def number(value: Fraction | int, decimals: int | None = None) -> Node:
    return Node("number", value=Fraction(value), decimals=decimals)


def symbol(name: str) -> Node:
    return Node("symbol", name=name)


def constant(name: str) -> Node:
    return Node("constant", name=name)


CONSTANTS = {"e": constant("e"), "i": constant("i")}


Walk = Callable[[Node], bool]


def any_node(node: Node, test: Walk) -> bool:
    """Whether a test holds for any node of a tree."""
    return test(node) or any(any_node(each, test) for each in node.args)


def symbols(node: Node) -> frozenset[str]:
    """The names of the symbols in a tree."""
    if node.op == "symbol":
        return frozenset((node.name,))
    return frozenset().union(*map(symbols, node.args))
