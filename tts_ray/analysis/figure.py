"""Figures as PNG, drawn without a screen."""

import io

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as a PNG file; it is closed."""
    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    plt.close(figure)
    return content.getvalue()
