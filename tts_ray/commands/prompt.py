"""Print what the policy and the PRM read of one problem, token by token. Loads no weights.

    python jobs/prompt.py policy=pocket-m prm=pocket-prm dataset=pocket
    python jobs/prompt.py my-run.yaml --problem 3 --step "6 times 7 is 42." --ids

Takes the arguments of jobs/evaluate.py.
"""

import argparse
from collections.abc import Sequence
from itertools import cycle

from rich.console import Console
from rich.text import Text

from tts_ray.commands import CONFIGS
from tts_ray.config import SCRIPTED, RunConfig, load_config
from tts_ray.engines.token_view import Token, prompt_view, reward_view
from tts_ray.errors import ConfigError
from tts_ray.runtime.cell import problems_of
from tts_ray.runtime.console import job_console, say
from tts_ray.text import one_line
from tts_ray.types import Problem

STEPS = ("First, we read the question.\n\n", "So the answer is \\boxed{42}.")
"""What the policy might write."""
LINE_END, BETWEEN, READ = "↵", "│", "◄score"
SPECIAL = "⟦{}⟧"
COLOURS, ADDED, SCORED = ("cyan", "yellow"), "bold magenta", "bold reverse green"
WORDS_OF_TURNS = 2
"""A template without a system turn says so many words before a question at most: whose turn it
is."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    parser.add_argument(
        "--problem", default="1", metavar="N|ID", help="the problem's place or id (the first)"
    )
    parser.add_argument(
        "--step", action="append", metavar="TEXT", help="a step that the PRM reads; once for each"
    )
    parser.add_argument("--ids", action="store_true", help="the tokens' ids too")
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config, CONFIGS)
    steps = arguments.step or STEPS
    if not all(step.strip() for step in steps):
        raise ConfigError("--step is blank; give a text that the PRM could read")
    problems = problems_of(config.dataset).problems
    problem = chosen(problems, arguments.problem)
    console = job_console()
    say(console, f"problem {problems.index(problem) + 1} of {len(problems)}, id {problem.id}")
    say(console, legend(console))
    show_policy(console, config, problem, ids=arguments.ids)
    show_prm(console, config, problem, steps, ids=arguments.ids)
    return 0


def chosen(problems: Sequence[Problem], wanted: str) -> Problem:
    """The problem with this id, or in this place from 1 on.

    Raises:
        ConfigError: there is none.
    """
    for problem in problems:
        if problem.id == wanted:
            return problem
    if wanted.isdecimal() and 1 <= int(wanted[:9]) <= len(problems):
        return problems[int(wanted) - 1]
    raise ConfigError(
        f"--problem {one_line(wanted, 40)}: no problem has this id; give one, or a place in "
        f"1..{len(problems)}"
    )


def legend(console: Console) -> str:
    """How to read the tokens."""
    if console.color_system is None:
        tokens = f"{BETWEEN} ends a token, {SPECIAL.format('...')} is a special one"
    else:
        tokens = "the colour changes with each token, special ones are bold"
    return f"{tokens}, {LINE_END} is the end of a line"


def show_policy(console: Console, config: RunConfig, problem: Problem, *, ids: bool) -> None:
    """Print the policy's prompt."""
    policy = config.policy
    if policy.model == SCRIPTED:
        say(console, f"\npolicy {policy.name}: is scripted, it reads no prompt")
        return
    tokens, own = prompt_view(policy, problem.question)
    say(console, f"\npolicy {policy.name}, prompt={policy.prompt}: {len(tokens)} tokens", "bold")
    show_tokens(console, tokens, ids=ids)
    if len(own.split()) > WORDS_OF_TURNS:
        say(
            console,
            f"prompt={policy.prompt} has no system turn; the chat template adds one of its own: "
            f"{own!r}",
            "yellow",
        )


def show_prm(
    console: Console, config: RunConfig, problem: Problem, steps: Sequence[str], *, ids: bool
) -> None:
    """Print what the PRM reads."""
    if config.prm is None:
        say(console, "\nno PRM is chosen: prm=NAME")
        return
    prm = config.prm
    if prm.model == SCRIPTED:
        say(console, f"\nPRM {prm.name}: is scripted, it reads no tokens")
        return
    tokens = reward_view(prm, problem.question, steps)
    scores = sum(token.is_read for token in tokens)
    said = f"{len(tokens)} tokens, {len(steps)} steps, {scores} read at {READ}"
    say(console, f"\nPRM {prm.name}, format={prm.format}: {said}", "bold")
    show_tokens(console, tokens, ids=ids)


def show_tokens(console: Console, tokens: Sequence[Token], *, ids: bool) -> None:
    """Print tokens so that each can be told from the next."""
    coloured = console.color_system is not None
    text = Text()
    for token, colour in zip(tokens, cycle(COLOURS), strict=False):
        shown = printable(token.text)
        if coloured:
            text.append(shown, ADDED if token.is_added else colour)
        else:
            text.append(SPECIAL.format(shown) if token.is_added else shown)
        if token.is_read:
            text.append(READ, SCORED)
        # A line ends where the text's does, behind what belongs to its last token.
        text.append(("" if coloured else BETWEEN) + "\n" * token.text.count("\n"))
    text.rstrip()
    console.print(text, soft_wrap=True)
    if ids:
        say(console, " ".join(str(token.number) for token in tokens), "dim")


def printable(text: str) -> str:
    """A token's text on one line: nothing in it is invisible but blanks."""
    return "".join(LINE_END if c == "\n" else c if c.isprintable() else repr(c)[1:-1] for c in text)
