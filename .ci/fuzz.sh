#!/usr/bin/env bash
# The fuzz targets compile with the stable compiler, and each survives some seconds of input that is
# guided by coverage, as under cargo-fuzz but for the address sanitizer: no code here is unsafe.
#
#   bash .ci/fuzz.sh [SECONDS [TARGET]]
set -euo pipefail
source .ci/lib.sh

seconds=${1:-10}
apt_need g++ # libFuzzer itself
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/fuzz
coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
cd fuzz
# With a target named, build scripts and procedural macros are spared the flags.
RUSTFLAGS="--cfg fuzzing ${coverage[*]}" cargo build --release --bins --target "$host"
fuzzers=${2:-$(cargo_metadata '[t["name"] for p in packages for t in p["targets"] if "bin" in t["kind"]]')}
for name in $fuzzers; do
    echo "--- $name, $seconds s"
    corpus=$CARGO_TARGET_DIR/corpus/$name
    mkdir -p "$corpus" "$CARGO_TARGET_DIR/artifacts"
    log=$CARGO_TARGET_DIR/$name.log
    if ! within $((seconds + 60)) "$CARGO_TARGET_DIR/$host/release/$name" "$corpus" -max_total_time="$seconds" \
        -timeout=10 -artifact_prefix="$CARGO_TARGET_DIR/artifacts/$name-" -print_final_stats=1 >"$log" 2>&1; then
        found=$(sed -n 's/.*Test unit written to //p' "$log")
        grep -A 1 -m 1 panicked "$log" >&2 || tail -n 40 "$log" >&2
        if [[ -n $found ]]; then
            echo "with this input, kept in $found:" >&2
            RUST_LIBFUZZER_DEBUG_PATH=$found.txt "$CARGO_TARGET_DIR/$host/release/$name" "$found" >"$log" 2>&1 || true
            cat "$found.txt" >&2
        fi
        exit 1
    fi
    grep -E '^(Done|stat::(number|average))' "$log"
done
