r"""From tokens to the tree of an expression.

It is read as people mean it where LaTeX and plain text leave a choice: `2\frac{1}{3}` and `2 1/3`
are mixed numbers, `x^10` has the exponent 10, `\sin 2x` the argument 2x, `1/2x` is x/2, `\log` is
the common logarithm, `e` and `i` are the constants. What does not read as a whole is refused.
"""

from collections.abc import Sequence
from fractions import Fraction

from tts_ray.grading.expression import CONSTANTS, Node, constant, number, symbol
from tts_ray.grading.latex import FUNCTIONS, NAMES, Kind, NotMathError, Token

MATRICES = {"pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array", "psmallmatrix"}
MARKS = {"\\vec", "\\hat", "\\overline", "\\bar", "\\widehat", "\\tilde", "\\dot"}
"""Commands that make another symbol of a symbol."""
UNIT_VECTORS = {"i", "j", "k"}
"""Letters that stand for the same in bold, under a hat and under an arrow."""
CLOSING = {"(": ")", "[": "]", "{": "}"}
ARC = {"sin", "cos", "tan", "cot", "sec", "csc"}
"""Functions whose power of -1 is the inverse function."""
AREA = {"arcsinh": "arsinh", "arccosh": "arcosh", "arctanh": "artanh"}
"""The other spelling of inverse hyperbolic functions."""
SYMBOLS = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi"),
    *("omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"),
    *("ell", "hbar", "angle", "triangle", "top"),
}
"""Commands that are symbols like a letter."""


TRANSPOSE = {symbol("T"), symbol("\\top")}


def read_expression(tokens: Sequence[Token]) -> Node:
    """The tree of an expression.

    Raises:
        NotMathError: the tokens as a whole are none.
    """
    parser = _Parser(tokens)
    node = parser.whole()
    if parser.left:
        raise NotMathError(f"{parser.left[0].text!r} is not expected")
    return node


class _Parser:
    """Recursive descent over tokens. In a function's argument a degree is an angle's unit."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        # From the end, so that taking one and putting one back cost nothing.
        self._stack = list(reversed(tokens))
        self._last = Token(Kind.SIGN, "")
        self._in_function = 0
        self._in_bars = 0

    @property
    def left(self) -> list[Token]:
        return self._stack[::-1]

    def peek(self) -> Token | None:
        return self._stack[-1] if self._stack else None

    def take(self) -> Token:
        if not self._stack:
            raise NotMathError("it ends too early")
        self._last = self._stack.pop()
        return self._last

    def next_is(self, *signs: str) -> bool:
        token = self.peek()
        return token is not None and token.is_sign(*signs)

    def expect(self, *signs: str) -> None:
        token = self.take()
        if not token.is_sign(*signs):
            raise NotMathError(f"{token.text!r} in place of {signs[0]!r}")

    def whole(self) -> Node:
        r"""All that a pair of braces holds: a sum, or two with \over or \choose between."""
        node = self.sum()
        for command, op in (("\\over", "/"), ("\\choose", "binom")):
            if self.next_command(command):
                self.take()
                return Node(op, (node, self.sum()))
        return node

    def sum(self) -> Node:
        terms = [self.signed()]
        while self.next_is("+", "-"):
            sign = self.take()
            term = self.signed()
            terms.append(Node("neg", (term,)) if sign.text == "-" else term)
        return terms[0] if len(terms) == 1 else Node("+", tuple(terms))

    def signed(self) -> Node:
        """A product that may have signs before it."""
        negative = False
        while self.next_is("+", "-"):
            negative ^= self.take().text == "-"
        term = self.product()
        return Node("neg", (term,)) if negative else term

    def product(self) -> Node:
        node = self.mixed() or self.power()
        while True:
            if self.next_is("*", "/"):
                sign = self.take()
                negative = self.next_is("-") and bool(self.take())
                factor = self.power()
                factor = Node("neg", (factor,)) if negative else factor
                node = Node(sign.text, (node, factor))
            elif self.begins_factor():
                node = Node("*", (node, self.power()))
            else:
                return node

    def begins_factor(self) -> bool:
        """Whether a factor follows without a sign between. A number never does: `x2` and `1 2`
        are no products, but `3!7!` is one."""
        token = self.peek()
        if token is None:
            return False
        if token.kind is Kind.NUMBER:
            return self._last.is_sign("!")
        if token.kind is Kind.SIGN:
            if token.text == "|":
                return not self._in_bars
            return token.text in ("(", "[", "{")
        return token.text not in ("\\\\", "&", "\\end", "\\rfloor", "\\rceil", "\\over", "\\choose")

    def mixed(self) -> Node | None:
        """A whole number and a proper fraction behind it; None if that is not what comes."""
        whole, *rest = self._stack[-1:-5:-1] or [self._last]
        if not rest or not _is_whole(whole):
            return None
        if rest[0].is_command("\\frac"):
            stack = list(self._stack)
            self.take()
            self.take()
            over, under = self.argument(), self.argument()
            fraction = _proper(over, under)
            if fraction is not None and not self.next_is("^", "!"):
                return Node("+", (number(_value(whole)), fraction))
            self._stack = stack
            return None
        if len(rest) == 3 and _is_whole(rest[0]) and rest[1].is_sign("/") and _is_whole(rest[2]):
            fraction = _proper(number(_value(rest[0])), number(_value(rest[2])))
            if fraction is None:
                raise NotMathError("two numbers without a sign between")
            del self._stack[-4:]
            return Node("+", (number(_value(whole)), fraction))
        return None

    def power(self) -> Node:
        return self.raised(self.primary())

    def raised(self, node: Node) -> Node:
        """What may follow a factor: factorial, degree sign, exponent."""
        while self.next_is("!", "°", "^"):
            sign = self.take().text
            if sign == "!":
                if self.next_is("!"):
                    raise NotMathError("a double factorial")
                node = Node("!", (node,))
            elif sign == "°":
                node = Node("degree", (node,)) if self._in_function else node
            else:
                exponent = self.exponent()
                is_transpose = node.op == "matrix" and exponent in TRANSPOSE
                node = _transposed(node) if is_transpose else Node("^", (node, exponent))
                if self.next_is("^"):
                    raise NotMathError("an exponent of an exponent without braces")
        return node

    def exponent(self) -> Node:
        if self.next_is("-", "+"):
            negative = self.take().text == "-"
            node = self.exponent_atom()
            return Node("neg", (node,)) if negative else node
        return self.exponent_atom()

    def exponent_atom(self) -> Node:
        token = self.peek()
        if token is not None and token.kind is Kind.LETTERS and len(token.text) > 1:
            # x^ab is x^a b.
            self.split_letters()
        return self.primary()

    def argument(self) -> Node:
        r"""What a command takes: a group in braces, or the one digit, letter or command there."""
        token = self.peek()
        if token is None:
            raise NotMathError("a command without its argument")
        if token.is_sign("{"):
            return self.group("{")
        if token.kind is Kind.NUMBER and len(token.text) > 1:
            self.take()
            if not token.text.isdigit():
                raise NotMathError("a command without braces before a decimal")
            rest = token.text[1:]
            self._stack.append(Token(Kind.NUMBER, rest, value=Fraction(int(rest))))
            return number(int(token.text[0]))
        if token.kind is Kind.LETTERS and len(token.text) > 1:
            self.split_letters()
        return self.primary()

    def split_letters(self) -> None:
        token = self.take()
        self._stack.append(Token(Kind.LETTERS, token.text[1:], upright=token.upright))
        self._stack.append(Token(Kind.LETTERS, token.text[0], token.space, token.upright))

    def group(self, opening: str) -> Node:
        self.expect(opening)
        bars, self._in_bars = self._in_bars, 0
        node = self.whole()
        self._in_bars = bars
        self.expect(CLOSING[opening])
        return node

    def primary(self) -> Node:
        token = self.peek()
        if token is None:
            raise NotMathError("it ends too early")
        if token.kind is Kind.NUMBER:
            self.take()
            return number(_value(token), token.decimals)
        if token.kind is Kind.LETTERS:
            return self.letters()
        if token.kind is Kind.COMMAND:
            return self.command()
        if token.is_sign("(", "[", "{"):
            return self.group(token.text)
        if token.is_sign("|") and not self._in_bars:
            return self.bars()
        raise NotMathError(f"{token.text!r} is not expected")

    def bars(self) -> Node:
        self.expect("|")
        self._in_bars = 1
        node = self.sum()
        self._in_bars = 0
        self.expect("|")
        return Node("abs", (node,))

    def letters(self) -> Node:
        token = self.take()
        text = token.text
        if text in FUNCTIONS:
            return self.function(text)
        if text in ("sqrt", "cbrt", "abs", "floor", "ceil"):
            if not self.next_is("("):
                raise NotMathError(f"{text} without brackets")
            inner = self.group("(")
            if text in ("sqrt", "cbrt"):
                return Node("sqrt", (inner, number(2 if text == "sqrt" else 3)))
            return Node(text, (inner,))
        if text in NAMES:
            return constant("pi" if text == "pi" else "oo")
        if len(text) > 1:
            if token.upright or len(text) > 3 or not text.isascii():
                raise NotMathError(f"the word {text!r}")
            # A product: the last letter first, so that the first is read next.
            self._stack.append(Token(Kind.LETTERS, text[1:]))
            text = text[0]
        return self.named(CONSTANTS.get(text, symbol(text)))

    def named(self, node: Node) -> Node:
        """A symbol with its subscript and primes."""
        name = node.name
        while self.next_is("_", "'"):
            if self.take().text == "'":
                name += "'"
                continue
            token = self.take()
            if token.is_sign("{"):
                inside, depth = "", 1
                while depth:
                    token = self.take()
                    depth += token.is_sign("{") - token.is_sign("}")
                    inside += token.text if depth else ""
                name += f"_{inside}"
            elif token.kind is Kind.LETTERS and len(token.text) > 1:
                name += f"_{token.text[0]}"
                self._stack.append(Token(Kind.LETTERS, token.text[1:]))
            else:
                name += f"_{token.text}"
        if node.name == "f" and self.next_is("("):
            # f(x+1) is no product, whatever f is.
            return Node("apply", (symbol(name), self.group("(")))
        return node if name == node.name else symbol(name)

    def command(self) -> Node:
        name = self.take().text
        if name == "\\frac":
            return Node("/", (self.argument(), self.argument()))
        if name == "\\binom":
            return Node("binom", (self.argument(), self.argument()))
        if name == "\\sqrt":
            index = self.group("[") if self.next_is("[") else number(2)
            # \\sqrt 13 is the root of thirteen, whatever TeX makes of it.
            return Node("sqrt", (self.primary(), index))
        if name in ("√", "∛"):
            return Node("sqrt", (self.primary(), number(2 if name == "√" else 3)))
        if name == "\\infty":
            return constant("oo")
        if name == "\\pi":
            return constant("pi")
        if name in ("\\lfloor", "\\lceil"):
            inner = self.sum()
            token = self.take()
            if not token.is_command(name.replace("\\l", "\\r")):
                raise NotMathError(f"{name} that is not closed")
            return Node("floor" if name == "\\lfloor" else "ceil", (inner,))
        if name == "\\begin":
            return self.matrix()
        if name in MARKS:
            marked = _flat(self.argument())
            if name in ("\\hat", "\\vec") and marked in UNIT_VECTORS:
                return CONSTANTS.get(marked, symbol(marked))
            return self.named(symbol(name + marked))
        if name.startswith("\\mathbb"):
            raise NotMathError("a set of numbers")
        plain = name.removeprefix("\\")
        if plain in FUNCTIONS:
            return self.function(plain)
        if plain.isalpha() and plain in SYMBOLS:
            return self.named(symbol(name))
        raise NotMathError(f"{name} is not a part of an expression that is read")

    def function(self, name: str) -> Node:
        base = None
        if name == "log" and self.next_is("_"):
            self.take()
            base = self.argument_or_number()
        power = None
        if self.next_is("^"):
            self.take()
            power = self.exponent()
        self._in_function += 1
        arguments = self.function_arguments()
        self._in_function -= 1
        if power is not None and _is_minus_one(power) and name in ARC:
            name, power = f"arc{name}", None
        if name in ("max", "min", "gcd", "lcm"):
            node = Node(name, tuple(arguments))
        elif len(arguments) != 1:
            raise NotMathError(f"{name} of {len(arguments)} arguments")
        elif name == "log":
            node = Node("log", (arguments[0], base or number(10)))
        elif name == "ln":
            node = Node("log", (arguments[0], CONSTANTS["e"]))
        elif name == "exp":
            node = Node("^", (CONSTANTS["e"], arguments[0]))
        else:
            node = Node(AREA.get(name, name), (arguments[0],))
        return node if power is None else Node("^", (node, power))

    def argument_or_number(self) -> Node:
        """A base: a group, or the whole number there. `\\log_28` is log_2 8, as TeX has it."""
        token = self.peek()
        if token is not None and token.kind is Kind.NUMBER:
            following = self._stack[-2] if len(self._stack) > 1 else None
            if following is not None and (following.space or following.is_sign("(", "{")):
                return self.primary()
        return self.argument()

    def function_arguments(self) -> list[Node]:
        """What a function is applied to: the bracket that follows it, or a product up to the next
        function or sign."""
        for opening in ("(", "[", "{"):
            if self.next_is(opening):
                self.expect(opening)
                bars, self._in_bars = self._in_bars, 0
                found = [self.sum()]
                while self.next_is(","):
                    self.take()
                    found.append(self.sum())
                self._in_bars = bars
                self.expect(CLOSING[opening])
                return [self.raised(found[0]), *found[1:]] if self.next_is("!") else found
        negative = self.next_is("-") and bool(self.take())
        node = self.power()
        while self.begins_factor() and not self.begins_function():
            node = Node("*", (node, self.power()))
        return [Node("neg", (node,)) if negative else node]

    def begins_function(self) -> bool:
        token = self.peek()
        assert token is not None
        return token.text.removeprefix("\\") in FUNCTIONS or token.is_sign("(", "[")

    def matrix(self) -> Node:
        """An environment of rows and columns, of whatever brackets."""
        name = self.environment()
        if name not in MATRICES:
            raise NotMathError(f"the environment {name}")
        if name == "array" and self.next_is("{"):
            while not self.take().is_sign("}"):
                pass
        rows: list[list[Node]] = []
        while not self.next_command("\\end"):
            if self.next_command("\\\\"):
                self.take()
            else:
                rows.append(self.row())
        self.take()
        if self.environment() != name:
            raise NotMathError(f"{name} that is not closed")
        if len({len(row) for row in rows}) != 1:
            raise NotMathError("rows of different lengths")
        entries = tuple(entry for row in rows for entry in row)
        return Node("matrix", entries, name=f"{len(rows)}x{len(rows[0])}")

    def row(self) -> list[Node]:
        """Entries up to the end of a row of a matrix."""
        entries = [self.sum()]
        while self.next_is("&"):
            self.take()
            entries.append(self.sum())
        if not (self.next_command("\\\\") or self.next_command("\\end")):
            raise NotMathError("two entries without & between")
        return entries

    def next_command(self, name: str) -> bool:
        token = self.peek()
        return token is not None and token.is_command(name)

    def environment(self) -> str:
        self.expect("{")
        name = ""
        while not self.next_is("}"):
            name += self.take().text
        self.take()
        return name


def _is_whole(token: Token) -> bool:
    return token.kind is Kind.NUMBER and token.text.isdigit()


def _value(token: Token) -> Fraction:
    assert token.value is not None
    return token.value


def _proper(over: Node, under: Node) -> Node | None:
    """A fraction of two whole numbers, the first the smaller one; None if it is none."""
    if not over.op == under.op == "number" or not 0 < over.value < under.value:
        return None
    if over.value.denominator != 1 or under.value.denominator != 1:
        return None
    return number(over.value / under.value)


def _transposed(matrix: Node) -> Node:
    rows, columns = map(int, matrix.name.split("x"))
    entries = tuple(matrix.args[r * columns + c] for c in range(columns) for r in range(rows))
    return Node("matrix", entries, name=f"{columns}x{rows}")


def _is_minus_one(node: Node) -> bool:
    return node.op == "neg" and node.args[0].op == "number" and node.args[0].value == 1


def _flat(node: Node) -> str:
    """The name that an expression of symbols alone gives to a marked symbol."""
    if node.op == "symbol" or node.op == "constant":
        return node.name
    if node.op == "*":
        return "".join(map(_flat, node.args))
    raise NotMathError("a mark over what is no symbol")
