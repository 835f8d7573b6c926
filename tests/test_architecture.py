"""docs/architecture.md's diagram, made executable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tts_ray"
LAYERS = {
    0: ["types", "errors", "concurrency", "text", "imports", "__init__"],
    1: ["protocols"],
    2: ["search", "grading", "data", "flops", "dimensions", "memory", "pocket", "yaml_text"],
    3: [
        *("engines", "replicas", "admission", "results"),
        *("config", "fragments", "typed", "sweep", "search_grid"),
    ],
    4: ["evaluate", "runtime", "analysis"],
    5: ["commands", "door"],
}
LAYER_OF = {name: layer for layer, names in LAYERS.items() for name in names}
HOMES = {
    "ray": {"runtime"},
    "vllm": {"engines"},
    "torch": {"engines", "pocket"},
    "transformers": {"engines", "pocket"},
    "wandb": {"results"},
    "obstore": {"results"},
    "pyarrow": {"results", "data"},
    "omegaconf": {"fragments"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(module):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module == "tts_ray":
                yield from (f"tts_ray.{alias.name}" for alias in node.names)


def unit(module):
    """The package or top-level module a file belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_from_its_own_layer_or_below(module):
    for name in imports(module):
        parts = name.split(".")
        if parts[0] == "tts_ray" and len(parts) > 1 and parts[1] in LAYER_OF:
            assert LAYER_OF[parts[1]] <= LAYER_OF[unit(module)], f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_foreign_library_is_imported_only_at_home(module):
    for name in imports(module):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or unit(module) in homes, f"{module} imports {name}"


@pytest.mark.parametrize("module", ["tts_ray.search.registry", "tts_ray.evaluate"])
def test_searching_loads_no_engine_cluster_or_storage_library(module):
    heavy = ["ray", "vllm", "torch", "transformers", "pyarrow", "omegaconf", "wandb", "obstore"]
    probe = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    assert found.stdout.strip() == "[]"
