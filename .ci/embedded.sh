#!/usr/bin/env bash
# No operating system: the library is built for a bare Cortex-M4, with and without an allocator, and
# a small program retries on it under qemu. A crate that only says `no_std` would still find `std`
# on the host; here there is none.
set -euo pipefail
source .ci/lib.sh
source .ci/compilers.sh

target=thumbv7em-none-eabihf
if ! folder=$(debian_rust "" src); then
    warn "embedded: no compiler for bare metal to be had, built without std for THIS machine only"
    for features in "" alloc; do
        cargo build -p persevere --lib --no-default-features --features "$features"
    done
    exit 0
fi
apt_need qemu-system-arm
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/embedded
echo "--- a Cortex-M0, whose atomics only load and store"
cargo_std "$folder" core check -p persevere --lib --no-default-features --target thumbv6m-none-eabi
cd tests/embedded
for features in "" alloc; do
    echo "--- a Cortex-M4, no default features${features:+, $features}"
    cargo_std "$folder" core,alloc build --target "$target" --features "$features"
    # The program ends qemu by semihosting, and its exit code is qemu's.
    within 60 qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native \
        -kernel "$CARGO_TARGET_DIR/$target/debug/persevere-embedded-tests" </dev/null
done
