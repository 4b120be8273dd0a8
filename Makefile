# Offhook. `make` prints this menu; anything with logic lives in scripts/ or in Rust.
CONFIG ?= config/dev.toml

menu:            ## print this menu
	@grep -E '^[a-z0-9]+: .*##|^[a-z0-9]+:  .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

setup:           ## install what building and testing need (Debian; root or sudo); no-op when all is there
	@scripts/setup

web: setup       ## build the web app that the binary embeds
	@scripts/web-build

run: web         ## build and start Offhook with the development configuration, and a demo carrier to call
	@CONFIG=$(CONFIG) scripts/run

release: web     ## build the optimized binary, target/release/offhook
	@cargo build --locked --release --bin offhook

check: web       ## format, lints, types
	@scripts/check

test: web        ## everything that must be green: unit, simulation, whole binary, browsers, other clients
	@scripts/test

e2e: web         ## only the browser and SDK stories
	@scripts/e2e

bench: web       ## CPU per forwarded packet, ratings, reservations, transcoded and whole phone calls, latency (release build)
	@scripts/bench

instructions:    ## instructions of the hot paths beside the committed numbers (valgrind); BLESS=1 accepts new ones
	@cargo bench --locked -p offhook-media --bench instructions

loadtest: web    ## play load scenarios, each against a server of its own: pages in target/loadtest (release build)
	@scripts/loadtest

fuzz:            ## mutate every seed corpus for FUZZ_SECONDS (default 30) per target
	@cargo run --locked --release -p offhook-fuzz -- all $${FUZZ_SECONDS:-30}

ci: test check   ## what continuous integration runs

.PHONY: menu setup web run release check test e2e bench instructions loadtest fuzz ci
.DEFAULT_GOAL := menu
