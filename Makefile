# Ringback. `make help` lists the targets.
SHELL := /bin/bash
MODULES := schemas pkg services/producer services/enricher services/sink services/tserver services/ringback
PACKAGES := $(addsuffix /...,$(addprefix ./,$(MODULES)))
SERVICES := producer enricher sink tserver ringback
GO ?= go
DATA ?= ringback-data
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
# go vet is part of `make lint`; without DWARF the test binaries link faster.
# SQLite and its libc are C, translated; instrumented, they take three times as long. Their driver is, as all else.
TEST_FLAGS ?= -race -timeout 10m -vet=off -ldflags=-w -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='modernc.org/libc/...=-race=false'
# Two thirds of the time of a first compilation are the optimiser and DWARF, for libraries that a
# look at the product does not need fast. SQLite, and what is our own, are optimised.
TRY_FLAGS ?= -ldflags=-w -gcflags='all=-dwarf=false -N -l' -gcflags='modernc.org/sqlite/lib=-dwarf=false' -gcflags='github.com/ringback/...=-dwarf=false'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## the whole pipeline in one process, on embedded parts; data in ./ringback-data
	@mkdir -p bin/try
	$(GO) build $(TRY_FLAGS) -o bin/try/ringback ./services/ringback/cmd/ringback
	bin/try/ringback run --data $(DATA)

.PHONY: test
test: ## unit and embedded tests, race detector on; needs nothing but Go and a C compiler
	@echo "tier: unit and embedded (real parts: SQLite; embedded: broker, registry, simulated T-Server)"
	$(GO) test $(TEST_FLAGS) $(PACKAGES)

.PHONY: test-real
test-real: ## the tiers on a real Apache Kafka and a real PostgreSQL, started and stopped here
	scripts/test-real

.PHONY: chaos
chaos: ## kills everything at random on real parts, and counts
	scripts/chaos

.PHONY: outage
outage: ## takes each real part away under load, and feeds bad data
	scripts/outage

.PHONY: mutants
mutants: ## takes each line away that enforces an invariant, and has a test on real parts notice
	scripts/mutants

.PHONY: examples-test
examples-test: ## the subscribers' examples on a real Kafka and schema registry
	scripts/examples-test

.PHONY: chart-test
chart-test: ## chart, alerts and compose file, on a real Kubernetes API server
	scripts/chart-test

.PHONY: kafka-up
kafka-up: ## start a real Apache Kafka (KRaft) on free ports, BROKERS=3 a cluster; addresses in .cache/kafka/run/bootstrap
	scripts/kafka-up --brokers $(or $(BROKERS),1)

.PHONY: kafka-down
kafka-down: ## stop it and remove its data
	scripts/kafka-down

.PHONY: postgres-up
postgres-up: ## start a real PostgreSQL on a free port; its URL is in .cache/postgres/url
	scripts/postgres-up

.PHONY: postgres-down
postgres-down: ## stop it and remove its data
	scripts/postgres-down

.PHONY: registry-up
registry-up: ## start a real schema registry on a free port
	scripts/registry-up

.PHONY: registry-down
registry-down: ## stop it and remove its data
	scripts/registry-down

.PHONY: lint
lint: bin/staticcheck ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $(MODULES) integration deploy scripts examples); if [ -n "$$out" ]; then echo "not formatted:"; echo "$$out"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) vet -tags realkafka,realpostgres,realregistry $(PACKAGES)
	cd integration && GOWORK=off $(GO) vet -tags realkafka,realcluster,containers ./... && GOWORK=off ../bin/staticcheck -tags realkafka,realcluster,containers ./...
	bin/staticcheck -tags realkafka,realpostgres,realregistry $(PACKAGES)

bin/staticcheck: tools/go.mod
	GOWORK=off $(GO) -C tools build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck

.PHONY: generate
generate: ## code, DDL and documents from the schemas
	$(GO) run ./schemas/generate
	cd pkg/infomart && $(GO) run ./ddl/generate
	$(GO) run ./deploy/generate/main.go
	$(GO) run ./services/ringback/configuration/generate

.PHONY: verify
verify: verify-generated verify-modules ## what is generated is committed, and each module builds alone

.PHONY: verify-generated
verify-generated:
	$(GO) run ./schemas/generate -check
	cd pkg/infomart && $(GO) run ./ddl/generate -check
	$(GO) run ./deploy/generate/main.go -check
	$(GO) run ./services/ringback/configuration/generate -check
	scripts/chart-metrics

.PHONY: verify-modules
verify-modules:
	@for m in $(MODULES) integration; do echo "GOWORK=off $$m"; (cd $$m && GOWORK=off $(GO) mod tidy -diff && GOWORK=off $(GO) build ./...) || exit 1; done

.PHONY: build
build: ## the binaries, in ./bin
	@mkdir -p bin
	@for s in $(SERVICES); do $(GO) build -trimpath -ldflags "-X main.version=$(VERSION) -X github.com/ringback/ringback/pkg/build.commit=$(COMMIT)" -o bin/$$s ./services/$$s/cmd/$$s || exit 1; done

.PHONY: bench
bench: ## benchmarks of the fold, the codecs, the enricher loop and both stores; BENCH narrows them
	scripts/bench $(PACKAGES)

.PHONY: bench-pipeline
bench-pipeline: ## the services on a real Kafka and PostgreSQL beside the least that could do the same work
	scripts/bench-pipeline
