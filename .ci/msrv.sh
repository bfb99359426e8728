#!/usr/bin/env bash
# The library, without its tests, compiles with the `rust-version` of the manifest.
set -euo pipefail
source .ci/lib.sh
source .ci/compilers.sh

msrv=$(cargo_metadata '[root["rust_version"]]')
if ! folder=$(debian_rust "$msrv."); then
    warn "msrv: no rustc $msrv to be had, the minimum supported Rust version was NOT checked"
    exit 0
fi
export RUSTC=$folder/rustc CARGO_TARGET_DIR=$CARGO_TARGET_DIR/msrv
check() { echo "--- ${*:-default features}" && cargo check -p persevere --lib "$@"; }
check --no-default-features
check
check --all-features
