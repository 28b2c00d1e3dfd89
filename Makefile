# Officiant. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

GO       ?= go
FUZZTIME ?= 100000x
# The packages whose every refusal is met in a test of their own; the list grows.
REFUSALS := ./bundle $(addprefix ./bundle/,certfile charset contents durable fetch fingerprint install kubeadm kubeconfig kubelet kubepki \
		nearest privatekey request seal service sshsig statement tree update visible yamltree) \
	$(addprefix ./ceremony/,abandon approval attestation chain comparison history inventory issue lint online online/csrlist online/endpoint online/grant \
		online/journal online/policy online/proof placement plan preflight profile quorum receipt report revocation schedule station status transcript) \
	./signer $(addprefix ./signer/,attestation awskms backoff gcpkms pkcs11 pkcs11/module) ./cmd/officiant-node ./cmd/officiant-signer
# They draw pages that others read in a moment.
DRAWN := ^(TestInBrowser|TestTooWideCanFail)$$
empty :=
comma := ,
# What covdata reports of: programs that tests build have run more than these packages.
REFUSED := $(subst $(empty) $(empty),$(comma),$(REFUSALS:./%=officiant/%))
# More for make acceptance, such as "-only one".
ACCEPTANCE ?=
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILT    := $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.built=$(BUILT)

.PHONY: help build relay image room-image test-room boot-room build-airgap man release release-twice release-compared ages vuln demo test test-tokens test-browser refusals bench lint fuzz acceptance clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The room's program speaks to PKCS#11 modules and needs cgo; the node's is static.
build: ## build/officiant, build/officiant-node and build/officiant-signer
	@mkdir -p build
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/officiant ./cmd/officiant
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/officiant-signer ./cmd/officiant-signer
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/officiant-node ./cmd/officiant-node

# A module of its own, with client-go: minutes when it is first compiled.
relay: ## build/officiant-signer-relay, which runs in a cluster
	@mkdir -p build
	cd cmd/officiant-signer-relay && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o ../../build/officiant-signer-relay .

# For amd64 and arm64, from scratch; needs no registry and no container engine.
image: ## build/officiant-signer-relay.oci.tar: an OCI archive of the relay, the same bytes twice
	@rm -rf build/image && mkdir -p build/image
	@cd cmd/officiant-signer-relay && for arch in amd64 arm64; do \
		GOARCH=$$arch CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o ../../build/image/$$arch . ; done && \
		CGO_ENABLED=0 $(GO) run ./image ../../build/image/image.tar '$(VERSION)' amd64=../../build/image/amd64 arm64=../../build/image/arm64
	@mv build/image/image.tar build/officiant-signer-relay.oci.tar && rm -r build/image
	@sha256sum build/officiant-signer-relay.oci.tar

# Needs root, and Debian 12's package sources.
room-image: ## build/room/room.iso: a room to boot a ceremony in
	@cmd/room-image/build build/room

# By emulation; with ACCEL=kvm, where KVM runs firmware, it takes a minute.
test-room: room-image ## boots it in QEMU by BIOS and by UEFI, and conducts the playbook's ceremony at its console
	@cmd/room-image/try build/room/room.iso
	@GO='$(GO)' cmd/room-image/conduct build/room/room.iso bios
	@GO='$(GO)' cmd/room-image/conduct build/room/room.iso uefi

boot-room: ## builds the room image and boots it once, where that can be done; else says why not
	@.ci/boot-room

# Without Go's own note of the commit, which a clone gets, and a worktree or an archive does not:
# the version says it, and two people compare these bytes.
build-airgap: ## build/officiant-airgap: no cloud backend, no cloud SDK
	@mkdir -p build
	CGO_ENABLED=1 $(GO) build -trimpath -buildvcs=false -tags airgap -ldflags '$(LDFLAGS)' -o build/officiant-airgap ./cmd/officiant

man: build relay ## manual pages of all programs, in build/man
	@rm -rf build/man
	@for program in officiant officiant-node officiant-signer officiant-signer-relay; do build/$$program man build/man; done
	@ls build/man | wc -l

# RELEASE_KEY: an SSH key that signs SHA256SUMS.
release: ## programs, SBOMs and Debian packages for amd64 and arm64, in build/release
	@rm -rf build/release
	@GO='$(GO)' .ci/release build/release $(RELEASE_KEY)

release-twice: ## a release is built twice, compared, installed and removed
	@GO='$(GO)' .ci/release-twice

release-compared: ## a release of this machine's architecture is built twice and compared
	@GO='$(GO)' ARCHITECTURES=$$($(GO) env GOHOSTARCH) .ci/release-twice --compare

ages: ## how old each dependency is, and which have newer versions; says when it cannot know
	@GO='$(GO)' .ci/dependency-age

vuln: ## known weaknesses of what is linked; DB=file:///… asks a database on disk
	@$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 $(if $(DB),-db $(DB)) ./... && \
	cd cmd/officiant-signer-relay && $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 $(if $(DB),-db $(DB)) ./... || \
		{ echo "vuln: weaknesses are known, or the database$(if $(DB), $(DB)) did not answer (see above)" >&2; exit 1; }

demo: ## a whole ceremony on SoftHSM, under build/demo
	@.ci/setup-softhsm softhsm2 openssl
	@$(MAKE) --no-print-directory build
	@softhsm/demo.sh

# With the flag that programs are built with, so that nothing is compiled twice; vet
# has run already.
test: export GOFLAGS := $(GOFLAGS) -trimpath
test: ## go vet and every test that needs nothing but SoftHSM, some 15 minutes on two cores
	@.ci/setup-softhsm softhsm2 openssl openssh-client jq
	$(GO) vet ./...
	@.ci/test-folder $(GO) test -vet=off -timeout 40m ./...
	cd cmd/acceptance && $(GO) vet . && CGO_ENABLED=0 $(GO) test -timeout 20m .
	cd cmd/officiant-signer-relay && export CGO_ENABLED=0 && $(GO) vet ./... && $(GO) test -timeout 20m ./...
	cd cmd/room-image/pdf && export CGO_ENABLED=0 && $(GO) vet ./... && $(GO) test ./...

test-tokens: ## tokens of other makers, for real; says at its end which were tested, or skipped and why
	@.ci/setup-softhsm softhsm2
	@.ci/setup-tokens
	@GO='$(GO)' .ci/test-folder .ci/test-tokens

test-browser: ## script and report in a real Chromium, on screen and on paper; installs it, 150 MB
	@.ci/setup-softhsm softhsm2 chromium fonts-liberation
	@OFFICIANT_REQUIRE_BROWSER=1 .ci/test-folder $(GO) test -count=1 -run 'Browser|TooWide' ./ceremony/report

refusals: ## each sentence of the packages in REFUSALS is said in a test, or excepted with its reason
	@.ci/setup-softhsm softhsm2 openssl openssh-client
	@rm -rf build/refusals && mkdir -p build/refusals/runs
	@OFFICIANT_COVERDIR=$(CURDIR)/build/refusals/runs .ci/test-folder $(GO) test -count=1 -cover -skip '$(DRAWN)' $(REFUSALS) \
		-args -test.gocoverdir=$(CURDIR)/build/refusals/runs
	@$(GO) tool covdata textfmt -i build/refusals/runs -pkg '$(REFUSED)' -o build/refusals/profile
	@$(GO) test -count=1 -run '^TestEveryRefusalIsMet$$' ./cmd/internal/structure -args -profile $(CURDIR)/build/refusals/profile

bench: ## speed beside the bare token and openssl ca, a few minutes; BENCH="-h" lists its flags
	@.ci/setup-softhsm softhsm2 openssl libengine-pkcs11-openssl
	@$(MAKE) --no-print-directory build
	@CGO_ENABLED=1 $(GO) build -trimpath -o build/bench ./cmd/bench
	@.ci/test-folder build/bench $(BENCH)

lint: ## formatting and go vet, all modules
	@unformatted=$$(gofmt -l cmd signer ceremony bundle softhsm); \
	if [ -n "$$unformatted" ]; then printf 'not formatted by gofmt:\n%s\n' "$$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	cd cmd/acceptance && $(GO) vet .
	cd cmd/officiant-signer-relay && CGO_ENABLED=0 $(GO) vet ./...
	cd cmd/room-image/pdf && CGO_ENABLED=0 $(GO) vet ./...

fuzz: ## every fuzzer, FUZZTIME (100,000 executions) each
	@.ci/fuzz $(FUZZTIME)

acceptance: ## real Kubernetes judges and lives on what is installed; builds it once, about a quarter of an hour
	@.ci/setup-softhsm softhsm2 openssl curl
	@$(MAKE) --no-print-directory build relay
	@mkdir -p build/acceptance/bin
	@cd cmd/officiant-signer-relay && CGO_ENABLED=0 $(GO) build -trimpath -o ../../build/acceptance/bin/rotate ./rotate
	@cd cmd/acceptance && CGO_ENABLED=0 $(GO) build -trimpath -o ../../build/acceptance/bin/acceptance .
	@build/acceptance/bin/acceptance $(ACCEPTANCE)
	@if [ -z "$(ACCEPTANCE)" ]; then \
		.ci/test-folder $(GO) test -count=1 -run '^TestLifecycle$$' ./cmd/officiant -args -programs '$(CURDIR)/build/acceptance/bin' && \
		.ci/test-folder $(GO) test -count=1 -run '^TestRealEtcd$$' ./bundle/service -args -programs '$(CURDIR)/build/acceptance/bin'; fi

clean: ## remove build/, and with it the cached Kubernetes programs
	rm -rf build
