"""What one problem costs: the one place where compute is divided by problems.

Only searches that ended count. What failed attempts cost is part of what a run spent, and no
property of the method.
"""

from tts_ray.flops import Convention, Sizes, Work, flops


def per_problem(
    work: Work, problems: int, sizes: Sizes, share: float = 1.0
) -> dict[Convention, float]:
    """Mean FLOPs per problem by convention, of a share of each problem's pool.

    Args:
        work: of the searches that ended, one for each of `problems` > 0.
        share: k/N for k of N samples, whose expectation it is. The question is needed however
            small the share.
    """
    root = Work(question_tokens=work.question_tokens, question_pairs=work.question_pairs)
    fixed, whole = flops(root, sizes), flops(work, sizes)
    return {c: (fixed[c] + share * (whole[c] - fixed[c])) / problems for c in whole}
