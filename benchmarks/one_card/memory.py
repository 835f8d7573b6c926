"""What policy and PRM on one card really take, against the plan's estimate of it."""

from pathlib import Path

from benchmarks.one_card.card import card
from benchmarks.one_card.engines import Local
from benchmarks.one_card.rows import Rows
from benchmarks.one_card.setting import Setting
from tts_ray.memory import GIB


async def measure(setting: Setting, folder: Path, rows: Rows) -> None:
    """Load every pair of models and read the card before and after."""
    device = card(setting.device)
    errors: list[float] = []
    for policy, prm, *shares in setting.pairs:
        loaded: list[Local] = []
        try:
            for name, share in zip((policy, prm), shares, strict=True):
                before = device.used_gib()
                loaded.append(Local(setting.spec(name, folder, share)))
                errors.append(report(setting, folder, rows, name, share, loaded[-1], before))
        finally:
            for engine in loaded:
                engine.close()
    rows.add("all", "largest error of the plan's work, GiB", max(errors, key=abs))


def report(
    setting: Setting,
    folder: Path,
    rows: Rows,
    name: str,
    share: float,
    engine: Local,
    before: float,
) -> float:
    """The rows of one model that has just been loaded; the error of its `work`, in GiB."""
    device = card(setting.device)
    need = setting.need(name)
    taken = device.used_gib() - before
    weights = (folder / name / "model.safetensors").stat().st_size / GIB
    cache = engine.capacity.kv_tokens * need.sequence / setting.max_model_len
    usable = share * device.gib
    of = f"{name} on {share:g} of {device.name}"
    rows.add(of, "memory taken, GiB", taken, f"share {usable:.1f}")
    rows.add(of, "weights, GiB", weights, f"plan {need.weights:.2f}")
    rows.add(
        of, "KV cache, tokens", engine.capacity.kv_tokens, planned_tokens(setting, name, usable)
    )
    rows.add(of, "work beside both, GiB", taken - weights - cache, f"plan {need.work:.2f}")
    return taken - weights - cache - need.work


def planned_tokens(setting: Setting, name: str, usable: float) -> str:
    """What the plan would have taken for the tokens that the cache holds."""
    if setting.device == "cpu":
        return "set, not planned"
    return f"plan {setting.need(name).sequences(usable, 1) * setting.max_model_len:,.0f}"
