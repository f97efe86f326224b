# `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help build demo run test short race fuzz bench golden lint check long

CONFIG ?= venuecode.yaml
FUZZTIME ?= 30s

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build ./venuecode
	go build ./cmd/venuecode

demo: ## a fictional city, one afternoon at 60 times its pace
	go run ./cmd/venuecode demo

run: ## serve a city: make run CONFIG=venuecode.yaml
	go run ./cmd/venuecode serve --config $(CONFIG)

test: ## every test
	go test ./...

short: ## the quick tests
	go test -short ./...

race: ## every test under the race detector, shuffled (needs a C compiler)
	go test -race -shuffle=on ./...

fuzz: ## every fuzz target in turn: make fuzz FUZZTIME=5m
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
	done

bench: ## benchmarks of the code, then of the whole program over HTTP
	go test -run '^$$' -bench . -benchmem ./...
	go run ./cmd/venuecode bench scans --json

golden: ## write the golden files anew; read the difference before keeping it
	go test $$(grep -rlE --include='*_test.go' 'flag\.Bool\("update"' . | xargs -n1 dirname | sort -u) -update

lint: ## gofmt and go vet
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt would change these'; exit 1; }
	go vet ./...

check: ## exactly what CI runs
	.ci/run

long: ## what takes minutes: crash loops, long properties
	VENUECODE_LONG=1 go test -count=1 -timeout 60m ./...
