//! A change of the public API is a change of `persevere.txt`, which a review sees.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::env;
use std::path::Path;
use std::process::Command;

/// The public items with all features, a line each. Hidden items hold no promise, and are left out;
/// so are implementations that follow from others.
fn public_api(root: &Path) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let built = Command::new(env!("CARGO"))
        .current_dir(root)
        // The JSON of rustdoc is unstable; the version of `public-api` in `Cargo.lock` reads that of the
        // compiler of the gate.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", target)
        .args(["rustdoc", "--quiet", "--package", "persevere", "--all-features", "--lib"])
        .args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .status()
        .unwrap();
    assert!(built.success(), "rustdoc failed: {built}");
    public_api::Builder::from_rustdoc_json(target.join("doc/persevere.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap()
        .to_string()
}

#[test]
fn public_api_is_that_of_the_snapshot() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let snapshot = package.join("persevere.txt");
    let api = public_api(&package.join("../.."));
    if env::var_os("UPDATE_API").is_some() {
        std::fs::write(&snapshot, &api).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&snapshot).unwrap();
    let (api, expected): (Vec<_>, Vec<_>) = (api.lines().collect(), expected.lines().collect());
    let removed =
        expected.iter().filter(|line| !api.contains(line)).map(|line| format!("- {line}"));
    let added = api.iter().filter(|line| !expected.contains(line)).map(|line| format!("+ {line}"));
    let changes: Vec<_> = removed.chain(added).collect();
    assert!(
        changes.is_empty(),
        "the public API has changed; `UPDATE_API=1 cargo test -p persevere-api-tests` writes the new \
         snapshot:\n{}",
        changes.join("\n")
    );
}
