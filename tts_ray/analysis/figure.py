"""Figures as PNG, drawn without a screen."""

import io
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

CEILING: dict[str, Any] = {"linestyle": ":", "linewidth": 1.0, "marker": ".", "markersize": 3}
"""How pass@N is drawn, in the colour of its search."""


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as a PNG file; it is closed."""
    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    plt.close(figure)
    return content.getvalue()
