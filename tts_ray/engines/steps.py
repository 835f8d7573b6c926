"""Where a sampled response falls into steps.

A step ends after the token that completes the separator, once there is something to read before
it: leading separators belong to the step that follows. Token ids are never split or re-encoded.
"""

from collections.abc import Callable, Sequence

from tts_ray.types import Finish, Step


def cut(
    token_ids: Sequence[int],
    pieces: Sequence[str],
    logprobs: Sequence[float],
    finish: Finish,
    separator: str,
    decode: Callable[[Sequence[int]], str],
) -> tuple[Step, ...]:
    """Cut a response into steps.

    Args:
        token_ids: the sampled tokens, with the end-of-sequence token if there was one.
        pieces: the text of each token on its own, used only to find separators.
        logprobs: the log-probability of each token.
        finish: how the last step ends; STEP if the response ends at a separator.
        decode: the text of a run of tokens, without special tokens.
    """
    ends: list[int] = []
    text = ""
    for at, piece in enumerate(pieces, start=1):
        text += piece
        if separator in text.lstrip():
            ends.append(at)
            text = ""
    if not ends or ends[-1] < len(token_ids):
        ends.append(len(token_ids))
    steps = []
    start = 0
    for end in ends:
        ids = tuple(token_ids[start:end])
        last = end == len(token_ids)
        steps.append(
            Step(decode(ids), ids, finish if last else Finish.STEP, sum(logprobs[start:end]))
        )
        start = end
    return tuple(steps)
