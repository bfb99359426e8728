#!/usr/bin/env bash
# In the browser's world: the core builds for wasm32, and the `wasm` feature's timer, clock and
# randomness work in node.
set -euo pipefail
source .ci/lib.sh
source .ci/compilers.sh

if ! folder=$(debian_rust "" src); then
    warn "wasm: no compiler for wasm32 to be had, nothing was built for it"
    exit 0
fi
base=$CARGO_TARGET_DIR
export CARGO_TARGET_DIR=$base/wasm
echo "--- the core"
cargo_std "$folder" std,panic_abort build -p persevere --lib --no-default-features --target wasm32-unknown-unknown
echo "--- in node"
cd tests/wasm
cargo_std "$folder" std,panic_abort build -p persevere-wasm-tests --target wasm32-unknown-unknown
module=$CARGO_TARGET_DIR/wasm32-unknown-unknown/debug/persevere_wasm_tests.wasm
export CARGO_TARGET_DIR=$base/wasm-host
cargo run -q -p persevere-wasm-bindings -- "$module" "$base/wasm/node"
within 60 node run.mjs "$base/wasm/node/persevere_wasm_tests.js"
