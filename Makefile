# The two set-up commands: "make run" runs account and bridge, "make test" passes the tests. Both install what they
# need. The other targets are for whoever changes the code; .ci/run calls them.

GO      ?= go
BIN     := bin/scimbridge
TOOL    := $(GO) tool -modfile=tools/go.mod
FUZZTIME ?= 30s
# Below what .ci/run may take: a test that hangs is to fail with its stack, not with the whole run.
TIMEOUT ?= 30m

.PHONY: run build test check bench fuzz soak lint cover docs packages image distributions deploy-check deploy-packages

run: build
	$(BIN) dev

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/scimbridge

# Not from the cache: what the black-box tests run is built by themselves, which the cache does not see. The faults have the
# machine for themselves, since they ask how soon everything is as before.
test: packages
	$(GO) test -race -count=1 -timeout $(TIMEOUT) $$($(GO) list ./... | grep -v /test/fault$$)
	$(GO) test -race -count=1 -timeout $(TIMEOUT) ./test/fault

# The browser tests use Debian's Chromium, the tests of the PostgreSQL store its PostgreSQL, those of what bridges share its
# Redis: the programs only, which the tests start themselves at places of their own; a server that the installation may
# have started does not matter.
CLUSTERS := /etc/postgresql-common/createcluster.d
packages:
	@want=; command -v chromium >/dev/null || want="chromium fonts-dejavu-core"; \
	command -v curl >/dev/null || want="$$want curl"; \
	command -v redis-server >/dev/null || command -v valkey-server >/dev/null || want="$$want redis-server"; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || want="$$want postgresql"; \
	$(INSTALL)

# What is installed is named in $$want.
INSTALL = [ -z "$$want" ] || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  case "$$want" in *postgresql*) $$sudo mkdir -p $(CLUSTERS); echo 'create_main_cluster = false' | $$sudo tee $(CLUSTERS)/scimbridge.conf >/dev/null;; esac; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$want >/dev/null; }

# The container image for linux/amd64 and linux/arm64, without Docker: an OCI layout in bin/image, an archive for "docker load"
# and a bill of materials of each platform beside it. To publish it, having signed in with "auth login" instead of "push":
# go tool -modfile=tools/go.mod crane push bin/image ghcr.io/scimbridge/scimbridge:v0.1.0
image:
	@cd tools && $(GO) run ./image

# What an administrator gets from deploy/ and the image: test/deploy is a module of its own. It runs containers, so it wants
# root, as in CI. The image is built first, so that its tests, which build it at the same time, find all compiled.
deploy-check: deploy-packages image
	cd test/deploy && $(GO) vet ./... && $(GO) tool -modfile=../../tools/go.mod staticcheck ./... && $(GO) mod tidy -diff
	cd test/deploy && $(GO) test -count=1 -timeout $(TIMEOUT) ./...

# Packages for Debian and Fedora's kin, in bin/distributions.
distributions: deploy-packages
	deploy/systemd/build.sh

# Debian's podman, with runc, runs the image together with the machine's Redis as one task.
deploy-packages: packages
	@want=; command -v podman >/dev/null || want="podman"; \
	command -v runc >/dev/null || want="$$want runc"; \
	command -v catatonit >/dev/null || want="$$want catatonit"; \
	command -v ip >/dev/null || want="$$want iproute2"; \
	command -v rpmbuild >/dev/null || want="$$want rpm"; \
	command -v shellcheck >/dev/null || want="$$want shellcheck"; \
	command -v openssl >/dev/null || want="$$want openssl"; \
	command -v systemd-analyze >/dev/null || want="$$want systemd"; \
	command -v npm >/dev/null || want="$$want nodejs npm"; \
	command -v terraform >/dev/null || echo "terraform 1.11 or newer is not found: the checks of deploy/ want it, and Debian has none"; \
	$(INSTALL)

# The requirements of the RFCs, against a bridge of its own.
check: build
	@dir=$$(mktemp -d) && trap 'kill $$pid 2>/dev/null; rm -rf $$dir' EXIT; \
	$(BIN) dev --data $$dir/data --listen 127.0.0.1:0 --json >$$dir/ready 2>$$dir/log & pid=$$!; \
	until [ -s $$dir/ready ]; do kill -0 $$pid || { cat $$dir/log; exit 1; }; sleep 0.1; done; \
	url=$$(sed 's/.*"scim":"\([^"]*\)".*/\1/' $$dir/ready); \
	$(BIN) check $$url --token-file $$dir/data/token

bench: build
	$(GO) run ./test/bench

fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$pkg || exit 1; \
	  done; \
	done

soak:
	SCIMBRIDGE_SOAK=1 $(GO) test -race -timeout 60m -count=1 ./test/kill/... ./test/concurrency/... ./test/fault/...

lint:
	@out=$$($(TOOL) gofumpt -l .); [ -z "$$out" ] || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) mod tidy -diff
	cd tools && $(GO) vet ./... && $(GO) tool staticcheck ./... && $(GO) mod tidy -diff

# What the public packages promise stands on their tests.
cover:
	@$(GO) test -coverpkg=./scim/... -coverprofile=bin/cover.out ./scim/... >/dev/null
	@$(GO) tool cover -func=bin/cover.out | awk '/^total:/ { sub("%", "", $$3); print "coverage of scim/...: " $$3 "%"; exit $$3 < 90 }'

docs:
	$(GO) test ./cmd/scimbridge -run TestConfigurationPage -update
	$(GO) test ./test/monitoring -run 'TestMetricsTable|TestAlerts' -update
