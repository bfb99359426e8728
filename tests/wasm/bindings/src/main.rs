//! Makes a wasm module callable from node: what the `wasm-bindgen` program does, without the three
//! times as many crates of its test runner.

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = &arguments[..] else { anyhow::bail!("expected: MODULE FOLDER") };
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .nodejs(true)?
        .typescript(false)
        .generate(folder)
}
