# The commands of this repository; `make` alone lists them.

CARGO_DENY_VERSION := 0.20.2
TOOLS := target/tools
NATS_SERVER := $(CURDIR)/$(TOOLS)/nats-server
CARGO_DENY := $(TOOLS)/bin/cargo-deny

export TIDINGS_NATS_SERVER ?= $(NATS_SERVER)

.DEFAULT_GOAL := help
.PHONY: help run test lint advisories bench faults nats

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: nats ## Build and start Tidings on this machine (ARGS="--listen 0.0.0.0:8080" and the like)
	cargo build --release --locked --package tidings
	@exec target/release/tidings dev $(ARGS)

test: nats ## Get what the tests need and run everything
	tools/test

lint: ## Formatting, clippy without a warning, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	@$(MAKE) --no-print-directory $(CARGO_DENY)
	$(CARGO_DENY) --workspace --locked check bans licenses sources

advisories: ## Known holes in dependencies (asks the public advisory database, so the answer changes by the day)
	@$(MAKE) --no-print-directory $(CARGO_DENY)
	$(CARGO_DENY) --workspace --locked check advisories

bench: nats ## Measure, and write target/bench.json
	cargo build --release --locked --package tidings
	cargo run --release --locked --package tidings-bench -- $(ARGS)

faults: nats ## Kill the parts of a running installation in the middle of replays, and compare every line
	cargo build --release --locked --package tidings --package tidings-loadtest
	TIDINGS_BIN=$(CURDIR)/target/release/tidings cargo run --release --locked --package tidings-tests --bin faults

nats:
	@python3 tools/fetch-nats.py

$(CARGO_DENY):
	cargo install --locked --root $(TOOLS) --version $(CARGO_DENY_VERSION) cargo-deny
