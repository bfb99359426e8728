//! The procedural macros of `persevere`, which re-exports and documents them: enable its feature
//! `macros`, and write `use persevere::{Kinded, retry};`.

mod kinded;
mod retry;
mod suggest;

use proc_macro::TokenStream;
use syn::parse::ParseStream;
use syn::{Error, Path};

/// Retries a function. See `persevere::retry`.
#[proc_macro_attribute]
pub fn retry(settings: TokenStream, function: TokenStream) -> TokenStream {
    retry::expand(settings.into(), function.into()).into()
}

/// Names the kinds of an error. See `persevere::classify::Kinded`.
#[proc_macro_derive(Kinded, attributes(kinded))]
pub fn kinded(item: TokenStream) -> TokenStream {
    kinded::expand(item.into()).into()
}

/// The path of the library, which `crate = ..` gives.
fn root(input: ParseStream<'_>) -> syn::Result<Path> {
    input.call(Path::parse_mod_style).map_err(|error| {
        let message = "expected a path without quotes: `crate = ::path::to::persevere`";
        Error::new(error.span(), message)
    })
}
