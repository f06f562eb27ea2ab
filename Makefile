# limen: bare `make` lists the targets.

SHELL   := /bin/bash
GO      ?= go
SUDO    := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)
LDFLAGS := -X main.version=$(VERSION)
# A checkout owned by someone else must build too: git is not asked by the go command.
export GOFLAGS := $(filter-out -buildvcs=%,$(GOFLAGS)) -buildvcs=false
export CGO_ENABLED := 1

# Whatever is not a result goes to standard error: `make -s demo ARGS="--headless --json"` prints JSON lines alone.

# What the programs link or run (OpenCV, libvpx, OpenJPEG, PC/SC), what the
# tests talk to (virtual PC/SC reader, libnfc's tools, a token, a TPM, a browser, others'
# readers of passports, OpenCV by itself), and others' passports, which need Java.
BUILD_PACKAGES := build-essential pkg-config git ca-certificates libopencv-dev libvpx-dev libopenjp2-7-dev libpcsclite-dev
RUN_PACKAGES   := pcscd vsmartcard-vpcd
TEST_PACKAGES  := libnfc-bin libnfc-examples softhsm2 chromium cardpeek mrtdreader opensc libeac3 swtpm python3-pyscard python3-opencv postgresql-15 mosquitto
TRAIN_PACKAGES := python3-torch python3-onnx python3-numpy python3-opencv python3-scipy
PEER_PACKAGES  := vsmartcard-vpicc jython

FUZZTIME ?= 60s

.PHONY: help deps deps-test build models demo test faults peers check bench bench-sync fuzz run train clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# install-missing asks dpkg first, so that a second call costs nothing and needs no network.
define install-missing
	@missing=""; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		echo "installing Debian packages:$$missing" >&2; \
		$(SUDO) apt-get update -q >/dev/null && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing >/dev/null || \
		{ echo "could not install:$$missing (is this Debian 12, and can you become root?)" >&2; exit 1; }; \
	else echo "Debian packages are all here: $(1)" >&2; fi
endef

deps: ## install what building and running need (apt), and the Go modules
	$(call install-missing,$(BUILD_PACKAGES) $(RUN_PACKAGES))
	@$(GO) version >/dev/null || { echo "Go 1.26 is not installed: see https://go.dev/dl" >&2; exit 1; }
	@$(GO) mod download

deps-test: deps
	$(call install-missing,$(TEST_PACKAGES))

build: deps ## build the programs into bin/
	@mkdir -p bin
	@echo "building limen $(VERSION) into bin/ (a first build compiles OpenCV's binding: some minutes)" >&2
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

models: build ## install the operational face models; FROM=/media/usb without internet, ARGS=--system for the service
	@bin/limen models install $(if $(FROM),--from $(FROM)) $(ARGS)

demo: build ## run the appliance on simulated devices; ARGS="--headless --json" for scripts
	@bin/limen demo $(ARGS)

run: build ## run the appliance from limen.yaml; CONFIG=path for another
	bin/limen run --config $(or $(CONFIG),limen.yaml)

check: deps ## the quick look: format, vet, staticcheck, import rule, known vulnerabilities
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted; run gofmt -w" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run 'TestImportRule|TestHouse' .
	@out=$$($(GO) tool govulncheck ./... 2>&1); rc=$$?; \
	if [ $$rc = 0 ]; then echo "govulncheck: nothing known"; \
	elif echo "$$out" | grep -qE 'dial tcp|no such host|connection refused|Forbidden|unexpected status|fetching|timeout|proxyconnect|EOF'; then echo "govulncheck: its database is not reachable from here; not scanned"; \
	else echo "$$out"; exit 1; fi

test: deps-test build check ## everything CI runs
	$(GO) test -timeout 15m ./...
	$(GO) test -tags matprofile -run Mat ./matcher/cvface ./capture/cvcam # OpenCV's memory is given back

faults: deps-test ## break everything between a check and the centre, ARGS="--runs N --seed S": nothing acknowledged may be lost
	@mkdir -p bin
	@$(GO) test -c -o bin/faults.test ./sync/faults
	@cd sync/faults && ../../bin/faults.test $(or $(ARGS),--runs 100)

peers: deps-test build ## meet others' passports and readers (docs/peers.md), and compare what a reading costs
	$(call install-missing,$(PEER_PACKAGES))
	$(GO) test -count=1 -timeout 30m -v ./cmd/internal/peers -all -limen $(CURDIR)/bin/limen -figures $(or $(FIGURES),9)

bench: build ## speed, bytes and memory, about five minutes; figures go to docs/figures.md
	@echo "$$(date -u +%F) $$(nproc) cores, load$$(uptime | sed 's/.*load average//')"
	$(GO) test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),1s) -timeout 20m $(or $(PKG),$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u))

bench-sync: deps-test ## appends, entries from device to receipt, many connections; figures go to docs/figures.md
	$(GO) test -run '^$$' -bench 'Append|Fsync' -benchtime $(or $(BENCHTIME),1s) ./sync/journal
	$(GO) test -run '^$$' -bench 'Ingest|JournalToCentre|Connections' -benchtime $(or $(BENCHTIME),1s) -timeout 30m ./sync/fleet $(if $(ARGS),-args $(ARGS))

fuzz: deps ## every fuzz target for FUZZTIME (60s) each; PKG=./mrtd/lds for one package, JOBS=2 at a time, LOG=file to go on from
	@FUZZTIME=$(FUZZTIME) JOBS=$(or $(JOBS),1) LOG=$(LOG) GO=$(GO) scripts/fuzz $(or $(PKG),./...)

train: ## train the demo models anew into build/train (DATA=, TEACHERS=, ARGS=), an hour on two idle cores
	$(call install-missing,$(TRAIN_PACKAGES))
	OMP_WAIT_POLICY=passive /usr/bin/python3 matcher/train/train.py --data $(or $(DATA),../shared/data/faces/london) \
		--teachers $(or $(TEACHERS),../shared/models) --out build/train $(ARGS)

clean: ## remove what was built
	rm -rf bin
