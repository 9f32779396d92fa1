# Tollgate. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up test build check bench fuzz corpus clean setup setup-test format generate

export UPSTREAM POLICIES STORE PROXY_PORT API_PORT ENVOY_ADMIN_PORT SIMULATOR_PORT ENVOY WORKERS REPLICAS

BIN := node_modules/.bin
WASM := build/tollgate.wasm
SERVICE := dist/.built
PLUGIN_SOURCES := $(shell find plugin -name '*.ts') asconfig.json asconfig.transform.mjs
SERVICE_SOURCES := $(shell find limitador-bridge -type f) tsconfig.json tsconfig.build.json \
	rolldown.config.mjs

help: ## List the targets and the variables of `make up`
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@echo "Variables of make up:"
	@echo "  UPSTREAM=https://api.openai.com   the LLM API (default: a built-in simulator)"
	@echo "  UPSTREAM_CA=path                  PEM file of its authorities (default: the public ones)"
	@echo "  POLICIES=folder                   policies (default: policies/examples/kuadrant-tiers)"
	@echo "  PRICES=folder                     PriceTables (default: policies/prices; docs/prices.md)"
	@echo "  STORE=embedded:./data             memory:  embedded:PATH  redis://HOST:PORT  rediss://"
	@echo "                                    redis-sentinel://H:P,H:P/NAME  redis-cluster://H:P,H:P"
	@echo "  PROXY_PORT=10000  API_PORT=8080  ENVOY_ADMIN_PORT=9901  SIMULATOR_PORT=n (default: any)"
	@echo "  API_TOKEN_FILE=path               bearer token of the service's API (default: none)"
	@echo "  ENVOY=path  WORKERS=n  REPLICAS=n (more than one needs a Redis store)"
	@echo "  JOURNAL=folder  STORE_TIMEOUT_MS=40  RECONCILE_INTERVAL=15m  PROMETHEUS_URL= (with Redis)"

up: setup build ## Run Envoy with the filter and the budget service until Ctrl-C
	@exec node dist/cli/tollgate.js up

test: setup-test build ## Run all tests; the last line is `N passed, N failed`
	@$(BIN)/vitest run

build: $(WASM) $(SERVICE) ## Compile the filter (build/) and the service (dist/)

setup: node_modules/.installed ## Install what `make up` needs: npm packages, Envoy
	@envoy/install.sh >/dev/null

setup-test: setup ## Install what `make test` needs besides: redis-server
	@test/install-redis.sh

node_modules/.installed: package.json package-lock.json
	@echo "installing npm packages"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WASM): node_modules/.installed $(PLUGIN_SOURCES)
	@echo "compiling the filter"
	@$(BIN)/asc plugin/index.ts --target release

$(SERVICE): node_modules/.installed $(SERVICE_SOURCES)
	@echo "compiling the service"
	@rm -rf dist && npm run --silent build:service && touch $@

check: build ## Format, lint, types, generated files up to date
	@$(BIN)/biome ci .
	@$(BIN)/tsc -p tsconfig.json
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code -- policies/schema || { echo "generated files are out of date: make generate"; exit 1; }
	@$(BIN)/vitest run test/tidy.test.ts test/exports.test.ts

format: node_modules/.installed ## Format the code
	@$(BIN)/biome check --write .

generate: $(SERVICE) ## Write the files that are generated from code (policies/schema)
	@node dist/policy/write-schemas.js

corpus: setup build ## Replay recorded exchanges from DIR= through Envoy and print a table
	@DIR="$(DIR)" $(BIN)/vitest run --config test/corpus.config.ts

fuzz: setup build ## RUNS= bad inputs from SEED= into filter and service, then 50,000 requests in Envoy
	@$(BIN)/vitest run --config test/fuzz.config.ts

bench: setup-test build ## Compare with Envoy alone, and the peers installed, or in PEERS= (test/bench/README.md)
	@$(BIN)/tsc -p test/bench/tsconfig.json
	@$(BIN)/asc test/bench/assembly/noop.ts --target release --outFile build/bench/noop.wasm
	@exec node build/bench/test/bench/main.js

clean: ## Remove all that was made
	rm -rf build dist node_modules .tools data bench/results coverage
