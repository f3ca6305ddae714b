VERSION := $(shell packaging/version)
BUILD    = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X 'main.version=$(VERSION)'"
OUT      = bin
DIST     = dist
ARCH     = $(shell go env GOARCH 2>/dev/null)

.PHONY: help build lambda dist image demo test fuzz soak bite faults bench fleet footprint lint go engine compiler packaging

help:
	@echo 'make build   bin/ecssd and bin/ecssd-sandbox, static'
	@echo 'make lambda  bin/sweeper-arm64.zip and bin/sweeper-amd64.zip, reproducible'
	@echo 'make dist    dist/: what is released: programs, .rpm and .deb packages, archives, SHA256SUMS; reproducible'
	@echo 'make image   the container image ecssd, for this architecture'
	@echo 'make demo    a demonstration: a sandbox in place of AWS, real containers, real DNS'
	@echo 'make test    all tests, with the race detector, against a real Docker Engine'
	@echo 'make fuzz    each fuzz target for FUZZTIME=30s'
	@echo 'make soak    simulated days on which everything fails: SEEDS=20000 of them, from FROM=1, or for DURATION=8h'
	@echo 'make bite    put known faults into a copy of the product; report how many simulated days it takes to find each'
	@echo 'make faults  put FAULTS=200 random faults, by SEED=1, into copies of the product; report which no test finds; resumes'
	@echo 'make bench   Go benchmarks from an event to a change batch, COUNT=10 times, for benchstat'
	@echo 'make footprint   memory and processor time of the agent with 0, 50 and 300 containers; sizes of packages in the program'
	@echo 'make fleet   play up to 1,000 agents on one account in virtual time; write docs/fleet.md and docs/fleet.svg'
	@echo 'make lint    gofmt, go vet, staticcheck, go mod tidy and verify; .ci/run is lint and test'

build: go
	$(BUILD) -o bin/ ./cmd/ecssd ./cmd/ecssd-sandbox

lambda: $(OUT)/sweeper-arm64.zip $(OUT)/sweeper-amd64.zip

$(OUT)/sweeper-%.zip: go
	GOOS=linux GOARCH=$* $(BUILD) -tags lambda.norpc -o $(OUT)/sweeper-$*/bootstrap ./lambda/sweeper
	go run ./lambda/pack $@ $(OUT)/sweeper-$*/bootstrap

dist: $(OUT)/linux-amd64/ecssd $(OUT)/linux-arm64/ecssd lambda
	CGO_ENABLED=0 go -C packaging/nfpm build -o $(abspath $(OUT))/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm
	packaging/dist $(OUT) $(DIST) '$(VERSION)'

$(OUT)/linux-%/ecssd: go
	GOOS=linux GOARCH=$* $(BUILD) -o $@ ./cmd/ecssd

image: $(OUT)/linux-$(ARCH)/ecssd engine
	docker build --build-arg TARGETARCH=$(ARCH) --build-arg VERSION='$(VERSION)' -t ecssd .

demo: build engine
	@CGO_ENABLED=0 go build -o bin/demo ./internal/demo
	@bin/demo

# The packages that wait longest come first, and run more at a time than there are processors. The race detector leaves time for only a
# few simulated days, so they run once more without it. atexit_sleep_ms=0: a program with the detector sleeps for a second at its end.
FIRST = ./internal/cli ./packaging ./internal/sweep/run ./internal/demo ./lambda/sweeper ./internal/route53
test: engine compiler packaging
	GORACE=atexit_sleep_ms=0 go test -race -count=1 -timeout 30m -p 4 $(FIRST) ./...
	go test -count=1 ./internal/test/simulation

fuzz: go
	.ci/fuzz $(or $(FUZZTIME),30s)

soak: go
	go test -c -o $(OUT)/simulation.test ./internal/test/simulation
	cd internal/test/simulation && ../../../$(OUT)/simulation.test -test.run TestSimulation -test.timeout 0 -from=$(or $(FROM),1) \
		$(if $(DURATION),-span=$(DURATION),-seeds=$(or $(SEEDS),20000))

bite: go
	internal/test/simulation/bite

faults: engine compiler
	@mkdir -p $(OUT)
	@go run ./internal/test/simulation/faults -n $(or $(FAULTS),200) -seed $(or $(SEED),1) -log $(OUT)/faults.log

bench: engine
	go test -run '^$$' -bench . -benchmem -count $(or $(COUNT),10) \
		./internal/endpoint ./internal/record ./internal/plan ./internal/apply ./internal/journal ./internal/agent ./internal/docker

footprint: engine
	go test ./internal/cli -run '^$$' -bench Footprint -benchtime 1x -timeout 1h
	CGO_ENABLED=0 go build -trimpath -o $(OUT)/unstripped ./cmd/ecssd
	.ci/size $(OUT)/unstripped

fleet: go
	go test ./internal/test/fleet -run TestFleet -write $(CURDIR)/docs -timeout 1h -v

lint: go
	@unformatted=$$("$$(go env GOROOT)/bin/gofmt" -l .) && echo "gofmt -l: $${unformatted:-nothing}" && test -z "$$unformatted"
	go vet ./...
	go tool staticcheck ./...
	for module in . packaging/nfpm; do go -C $$module mod tidy -diff && go -C $$module mod verify || exit; done

go:
	@command -v go >/dev/null || { echo 'Go is missing. Install the version in go.mod, or a later one: https://go.dev/dl/' >&2; exit 1; }

engine: go
	@.ci/engine

compiler: go
	@.ci/compiler

packaging:
	@.ci/packaging
