# `make` lists the targets; `make ci` is what CI runs.
GO ?= go
TOOL = $(GO) tool -modfile=tools.mod
# Ten minutes, the default, are too few for the tests of the engine where the machine has much else to do.
TEST = $(GO) test -timeout 30m
# Counted in inputs: with a time, go test may report the deadline itself as a failure.
FUZZTIME ?= 200000x
# SEEDS seeds of the simulation; SEED=n repeats one, with its trace
SEEDS ?= 10000
# of the cluster target; a third of them, and some, have to be within the limit of open files of a process
SUBSCRIBERS ?= 30000
# The tests of the engine that need sockets, and no dialing, no steps and no native driver.
GATED = Gnet|^TestZeroServer$$|^TestListenAndServe$$|^TestServeTwice$$|^TestUnixSocket$$|^TestTLS(Echo|PlainRequest)$$|^TestProxyThenTLS$$|^TestShutdown(Drains|FromACallbackW71)$$
CROSS = linux/arm64 linux/386 linux/s390x darwin/amd64 darwin/arm64 freebsd/amd64 freebsd/arm64 windows/amd64

.DEFAULT_GOAL := help
.PHONY: help fmt lint test race cover purego wsdebug gnetgate cross fuzz sim mutants rivals interop browser contrib cluster bench bench-full bench-compare bench-micro bench-slow bench-sysmon million ci

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

fmt: ## format the code
	$(TOOL) gofumpt -w .

lint: ## gofumpt, vet, staticcheck, go mod tidy
	@out=$$($(TOOL) gofumpt -l .); test -z "$$out" || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) mod tidy -diff
	cd interop && $(GO) vet ./...
	cd interop/routers && $(GO) vet ./...
	cd benchmarks && $(GO) vet ./...
	cd contrib/nats && $(GO) vet ./... && $(GO) mod tidy -diff
	cd contrib/redis && $(GO) vet ./... && $(GO) mod tidy -diff

test: ## all tests that need Go alone
	$(TEST) ./...

race: ## the same under the race detector
	$(TEST) -race -short ./...

cover: ## what the tests leave out, and whether a package lost ground
	scripts/cover.sh

purego: ## what stands on assembly without it, which also lets the race detector see payloads
	$(GO) vet -tags purego ./...
	$(TEST) -tags purego ./mask ./codec/... ./engine
	$(TEST) -race -short -tags purego ./mask ./codec/... ./engine

wsdebug: ## the engine with payloads poisoned after their callback
	$(TEST) -tags wsdebug ./engine

gnetgate: ## what Windows has of the gnet driver, and the engine on it, over a stand-in for gnet's side
	$(TEST) -tags gnetgate ./poller/gnetdriver
	$(TEST) -race -short -tags gnetgate ./poller/gnetdriver
	$(TEST) -tags gnetgate ./engine -run '$(GATED)'

cross: ## build and vet for the other systems
	@for t in $(CROSS); do echo "vet $$t"; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) vet ./... || exit 1; done

fuzz: ## every fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

sim: ## simulated servers and drivers, SEEDS seeds each or SEED alone
ifdef SEED
	$(TEST) ./engine -run 'Simulation$$' -v -seed $(SEED)
	$(TEST) ./poller/sim -run 'TestPromises$$' -v -seed $(SEED)
else
	$(TEST) ./engine -run 'Simulation$$' -seeds $(SEEDS)
	$(TEST) ./poller/sim -run 'TestPromises$$' -seeds $(SEEDS)
endif

mutants: ## planted bugs, one at a time, each of which a test has to find
	scripts/mutants.sh $(MUTANTS)

rivals: ## the servers that benchmarks compare with echo; those of npm if npm is there
	@if command -v npm >/dev/null; then cd benchmarks/node && npm ci --ignore-scripts --no-audit --no-fund; fi
	cd benchmarks && $(GO) test ./...

interop: ## real clients, servers and routers: Go, Node.js, Bun, Python; installs what is missing
	interop/run.sh

contrib: ## the modules with dependencies of their own: bridges to brokers; installs redis-server if missing
	cd contrib/nats && $(GO) vet ./... && $(GO) test ./... && $(GO) test -race -short .
	contrib/redis/need.sh
	cd contrib/redis && $(GO) vet ./... && $(GO) test ./... && $(GO) test -race -short .

cluster: ## three wsloop-cluster processes, NATS, and 30,000 subscribers, that fail one after the other
	cd contrib/nats && $(GO) test ./cmd/wsloop-cluster -run TestCluster -v -count 1 -subscribers $(SUBSCRIBERS)

browser: ## Debian's Chromium and Firefox ESR; installs what is missing
	interop/browser.sh

bin/bench: FORCE
	$(GO) build -C benchmarks -o ../bin/bench ./bench

FORCE:

bench: bin/bench ## the main cells beside the main rivals, some minutes; also bin/bench.html
	rm -f bin/bench.jsonl
	bin/bench run -out bin/bench.jsonl $(BENCHFLAGS)
	bin/bench report -html bin/bench.html bin/bench.jsonl

bench-full: bin/bench ## every cell beside every rival, well over an hour; samples and page in bin/
	@samples=bin/full-$$(date -u +%Y%m%dT%H%M%SZ); \
	  bin/bench run -suite full -out $$samples.jsonl $(BENCHFLAGS) && \
	  bin/bench report -html $$samples.html $$samples.jsonl && echo "$$samples.jsonl, $$samples.html"

bench-compare: bin/bench ## the checkout beside wsloop of the revision REF
	bin/bench compare $(BENCHFLAGS) $(REF)

bench-micro: ## masking, receiving and handshakes beside those of other libraries
	@mkdir -p bin
	cd benchmarks && $(GO) run ./micro/run $(MICROFLAGS) >../bin/micro.txt
	$(TOOL) benchstat -col /lib bin/micro.txt

bench-slow: ## what peers that do not read, or send byte by byte, cost the others
	$(GO) build -o bin/slow ./scripts/bench/slow
	bin/slow $(SLOWFLAGS)

bench-sysmon: ## how quiet the Go scheduler's monitor is under load
	scripts/bench/sysmon.sh

million: ## a million idle connections on this machine: CONNECTIONS of them for HOLD
	scripts/million.sh $(CONNECTIONS) $(HOLD)

ci: ## what CI runs
	.ci/run
