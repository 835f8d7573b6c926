"""Tokens to floating-point operations."""


def dense_flops(parameters: float, tokens: int) -> float:
    """2 * N * tokens: one multiply and one add per parameter and token (arXiv 2502.06703, Table 4).

    Args:
        parameters: nominal parameter count N.
        tokens: how many tokens went through the model.
    """
    return 2.0 * parameters * tokens
