#!/usr/bin/env bash
# What would be published: the metadata that crates.io asks for, the files, and that they are
# enough to build.
set -euo pipefail
source .ci/lib.sh

files=$(cargo package -p persevere --list --allow-dirty)
echo "$files"
for file in Cargo.toml README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE src/lib.rs; do
    grep -qxF "$file" <<<"$files" || { echo "the package lacks $file" >&2; exit 1; }
done
if stray=$(grep -vE '^(src/.*|\.cargo_vcs_info\.json|Cargo\.(toml|toml\.orig|lock)|README\.md|CHANGELOG\.md|LICENSE-.*)$' <<<"$files"); then
    echo "the package has files that no user needs:" >&2
    echo "$stray" >&2
    exit 1
fi
# The dry run reads crates.io's index and sends nothing. Both at once: neither need be there yet.
cargo publish --dry-run --allow-dirty -p persevere -p persevere-macros
