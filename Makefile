# make demo    a whole server in a temporary directory, a real push, a URL to open
# make test    unit, golden and end-to-end tests with real git, nginx, uWSGI, supervisor, Celery and npm; as root, for the tests on
#              whole servers boot Debian hosts (tests/vps)
# make soak    killed at every instant there is, at 300 random times, without power at every change of the disk, and with the disk
#              full at every write: the better part of an hour; LANDFALL_SEED=N repeats the random times
# make bench   Landfall beside a hand-written hook, turn by turn in one run, into docs/internals/performance.md: hours. How a push
#              grows with the repository; requests for certificates beside openssl's. make bench BENCH=--quick: do they work?
# make fuzz    make fuzz TARGET=push SECONDS=300: what comes from outside, mangled (tests/fuzz: certificate, home, key, push, request,
#              server; all); a fixed number of inputs of each is part of make test
# make deb     target/debian/landfall_VERSION_ARCH.deb from a release build
# make static  one binary that needs no library: target/x86_64-unknown-linux-musl/release/landfall
# make lint    formatting, clippy, words that must not stay
# make deny    licences, sources and kinds of dependencies; make advisories: known vulnerabilities, from the network
.PHONY: demo test soak bench fuzz deb static lint deny advisories tools servers
.SILENT:

demo: tools
	cargo build --release --quiet
	target/release/landfall demo

# On two processors three tests at once: one of them mostly waits.
test: tools servers
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-3} cargo test --lib --tests --no-fail-fast

soak: tools servers
	LANDFALL_SOAK=1 cargo test --test killed -- --nocapture --test-threads 1
	LANDFALL_SOAK=1 cargo test --test e2e -- a_disk_that_fills_up --nocapture --test-threads 1

BENCH = --out docs/internals/performance.md
GROWTH =
bench: tools
	cargo build --release --quiet
	benches/run $(BENCH)
	benches/growth $(GROWTH)
	cargo bench --quiet --bench csr

TARGET = certificate
SECONDS = 300
fuzz:
	.ci/fuzz $(TARGET) $(SECONDS)

deb: tools servers
	cargo build --release --quiet
	.ci/deb target/release/landfall target/debian

static: tools
	.ci/static

lint:
	cargo fmt --check
	.ci/forbid
	cargo clippy --lib --bins --quiet -- -D warnings
	cargo clippy --tests --quiet -- -A clippy::pedantic -D clippy::correctness -D clippy::suspicious

deny:
	.ci/deny licenses bans sources

advisories:
	.ci/deny advisories

tools:
	.ci/tools

# What the tests on whole servers and the package need besides.
servers:
	.ci/tools servers
