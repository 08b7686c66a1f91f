# `make` explains. The first run of `demo` or `test` builds a Kubernetes control plane and our crates.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo test bench testbed generate lint clean

TARGET := $(or $(CARGO_TARGET_DIR),target)
# make demo KEEP=1: leave it running; BROKER: which broker carries the tasks.
BROKER ?= rabbitmq

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: export BROKER := $(BROKER)
demo: ## a pool wakes, jumps, works and sleeps on real servers (first run about 20 min, then 2 min; KEEP=1 leaves it running)
	@scripts/setup.sh demo
	@scripts/prepare.sh demo
	@exec $(TARGET)/debug/testbed demo --broker $(BROKER) $(if $(KEEP),--keep)

test: ## every check and every test (first run up to 60 min, then a few minutes)
	@exec scripts/test.sh

# make bench ONLY=reaction,fleet: only these parts; ARGS='--fleets sqs:50 --rest 20': what `testbed bench --help` knows.
bench: ## what it costs and how fast it is, as tables and JSON (the first run builds the release for about 15 min; then 15 min)
	@exec scripts/bench.sh $(ARGS)

testbed: ## only build and install the servers that tests and demo run on (first run about 20 min)
	@scripts/setup.sh testbed
	@scripts/prepare.sh test

generate: ## rewrite what is made from code: the CRD, the chart's template of it, the API reference
	@AWP_UPDATE=1 cargo test --quiet --locked --test generated

lint: ## formatting and clippy only (first run about 10 min, then a minute)
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

clean: ## remove this checkout's build; the shared cache stays (remove ~/.cache/awp-testbed for that)
	@cargo clean
