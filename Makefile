# The one list of commands: people, CI and the README use these targets.
#   make demo   set up, then run the main job on the embedded default
#   make test   set up, then run every test (Rust and Python)
#   make study  the paper's questions at a laptop's scale, with controls; a day of one core, in pieces
#   make lint   formatters, linters, type checker
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell find crates -name '*.rs' -o -name Cargo.toml 2>/dev/null) Cargo.toml Cargo.lock
DEMO := demo

.PHONY: help setup demo demo-transfer demo-share test test-rust test-python test-slow bench-masks bench-attacks bench-data bench-train gpu-check study schema fuzz lint fmt wheel clean

help:
	@sed -n 's/^#   //p' Makefile

# pyproject.toml says what is needed; requirements.txt pins the versions CI has tested.
$(VENV)/.packages: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@command -v cargo >/dev/null || { echo "cargo is missing; install a Rust toolchain" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.extension: $(VENV)/.packages $(RUST)
	PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) \
	  $(BIN)/maturin develop --release --quiet --locked
	touch $@

setup: $(VENV)/.extension

demo: setup
	$(BIN)/dwlt prune --rounds 10 --runs $(DEMO)/runs
	$(MAKE) --no-print-directory -j2 demo-transfer demo-share
	$(BIN)/dwlt report --config digits-wide --runs $(DEMO)/runs --out $(DEMO)/report

# Two processes share the transfers. Both are children of make, so that Ctrl-C stops both.
demo-transfer:
	$(BIN)/dwlt transfer --runs $(DEMO)/runs
	$(BIN)/dwlt transfer --adv --runs $(DEMO)/runs

demo-share:
	@$(BIN)/dwlt transfer --runs $(DEMO)/runs --quiet
	@$(BIN)/dwlt transfer --adv --runs $(DEMO)/runs --quiet

# The JSON Schema of every result file, after a change to python/dwlt/results.
schema: setup
	$(BIN)/python -m dwlt.results.schema

test: test-rust test-python

test-rust: setup
	cargo test --locked --quiet -p dwlt-core

# Two cores take half the time; every test is independent of the others. 0 runs them in one process.
TEST_PROCESSES ?= 2
test-python: setup
	$(BIN)/python -m pytest -m "not slow" -n $(TEST_PROCESSES)

test-slow: setup
	$(BIN)/python -m pytest -m slow --timeout 3600

# Changes to the sources, on a copy, that tests must notice: hours for all; goes on where it stopped.
# docs/mutants.md says what has been run. MUTANTS="protocol", "masks --seconds 600", ...
MUTANTS ?=
mutants: setup
	$(BIN)/python -m benchmarks.mutants $(MUTANTS)

coverage: setup
	$(BIN)/python -m coverage run --source=python/dwlt -m pytest -m "not slow"
	$(BIN)/python -m coverage report --skip-covered --sort=cover

# The tables of benchmarks/README.md: some minutes, 12 GB of memory, 6 GB of disk.
bench-masks: setup
	$(BIN)/python -m benchmarks.masks

# The table on input: two minutes on one core, 1 GB of disk for a moment.
bench-data: setup
	$(BIN)/python -m benchmarks.data

# Training loops: a minute on a CPU, some on a GPU.
bench-train: setup
	$(BIN)/python -m benchmarks.train

# All that a machine with a GPU has to show, about 8 minutes; writes benchmarks/results/gpu-check.json.
gpu-check: setup
	$(BIN)/python -m benchmarks.gpu_check

# The table on attacks: minutes; some images come from ../shared/data.
bench-attacks: setup
	$(BIN)/python -m benchmarks.attacks standard adversarial --n 24
	$(BIN)/python -m benchmarks.attacks checkpoint --n 32

# The studies of docs/study.md: a day of one core; killed anywhere, it says how far it is and goes on.
# STUDY_DATA names a folder with the Parquet sets; without them only the digits are studied.
STUDY_DATA ?= ../shared/data
study: setup
	$(BIN)/python -m benchmarks.study study --data-dir $(STUDY_DATA)

# Ten minutes of bytes for the readers; needs a nightly compiler and `cargo install cargo-fuzz`.
fuzz:
	cargo +nightly fuzz run readers -- -max_total_time=600

lint: setup
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

fmt: setup
	cargo fmt --all
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The sdist, and wheels for Linux on x86-64 and aarch64 (docs/install.md says how they are installed).
# Zig is the linker: the wheels load with glibc 2.17 and newer, and aarch64 needs no compiler of its own.
# Each wheel is built from the sdist, so an sdist that lacks a file fails here. An sdist is unpacked
# into a temporary folder; that what was compiled is found again takes a fixed CARGO_TARGET_DIR.
WHEELS ?= target/wheels
WHEEL := PATH="$(abspath $(BIN)):$$PATH" CARGO_TARGET_DIR="$${CARGO_TARGET_DIR:-$(CURDIR)/target}" \
  maturin build --release --locked --zig --sdist --out $(WHEELS) --target
ARM := aarch64-unknown-linux-gnu
wheel: $(VENV)/.packages
	$(WHEEL) x86_64-unknown-linux-gnu
	@if test -d "$$(rustc --print target-libdir --target $(ARM))"; then \
	  $(WHEEL) $(ARM); \
	else \
	  echo "no wheel for aarch64: rustc has no library for it; rustup target add $(ARM), then make wheel" >&2; \
	fi

clean:
	rm -rf target $(DEMO) .mypy_cache .ruff_cache .pytest_cache
