//! What functions become.

use insta::assert_snapshot;
use proc_macro2::TokenStream;
use quote::quote;

use super::settings::Settings;

/// The expansion, as somebody would write it.
fn expanded(settings: TokenStream, function: TokenStream) -> String {
    let expansion = super::expand(settings, function);
    let file =
        syn::parse2(expansion.clone()).unwrap_or_else(|error| panic!("{error}: {expansion}"));
    prettyplease::unparse(&file)
}

#[test]
fn a_plain_function_becomes_a_loop_of_blocking_attempts() {
    let function = quote! {
        /// Reads it.
        #[must_use]
        pub(crate) fn read(path: &Path, mut limit: Limit, _: Guard) -> io::Result<String> {
            limit.take(std::fs::read_to_string(path)?)
        }
    };
    assert_snapshot!(expanded(quote!(POLICY, when = io::is_transient), function));
}

#[test]
fn an_async_function_becomes_a_loop_of_attempts() {
    let function = quote! {
        async fn fetch<T: Decode>(&self, (a, b): (A, B), buffer: &mut Buffer) -> Result<impl Iterator<Item = T>, Error> {
            self.client.send(a, b, buffer).await?.decode()
        }
    };
    assert_snapshot!(expanded(quote!("fast_retry", on_retry = log), function));
}

#[test]
fn what_async_trait_makes_is_retried_inside_of_its_future() {
    let function = quote! {
        fn save<'life0, 'async_trait>(&'life0 mut self, item: Item)
            -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<(), Error>> + Send + 'async_trait>>
        where 'life0: 'async_trait, Self: 'async_trait
        {
            Box::pin(async move {
                if let Some(__ret) = None::<Result<(), Error>> { return __ret; }
                let __self = self;
                let item = item;
                let __ret: Result<(), Error> = { __self.put(item).await };
                __ret
            })
        }
    };
    assert_snapshot!(expanded(quote!(), function));
}

#[test]
fn self_by_value_becomes_another_variable_and_a_report_wraps_the_error() {
    let function = quote! {
        fn save(self: Arc<Self>, item: Item) -> Result<u8, RetryError<Error>> {
            trace!("{:?} by {self:?}", self.name);
            self::put(&self, item)
        }
    };
    assert_snapshot!(expanded(quote!(self.policy, named = "save", report), function));
}

#[test]
fn braces_that_are_escaped_in_a_format_string_stay() {
    let function = quote! {
        fn save(self) -> Option<u8> {
            println!("{{self}} {self} {selfish} {{{self:>3}}}", selfish = 1);
            None
        }
    };
    let expansion = expanded(quote!(POLICY), function);
    let expected = r#"println!("{{self}} {__self} {selfish} {{{__self:>3}}}", selfish = 1);"#;
    assert!(expansion.contains(expected), "{expansion}");
}

#[test]
fn what_cannot_be_retried_stays_beside_its_error() {
    let expansion = expanded(
        quote!(wehn = f),
        quote!(
            fn f() -> Option<u8> {
                None
            }
        ),
    );
    assert_snapshot!(expansion);
}

#[test]
fn a_name_without_the_feature_for_it_is_told_what_is_missing() {
    let refusal = |settings: TokenStream| {
        let settings: Settings = syn::parse2(settings).expect("settings");
        assert!(settings.policy.check(true).is_ok());
        settings.policy.check(false).err().map(|error| error.to_string())
    };
    assert_eq!(
        refusal(quote!("fast_retry", report)).as_deref(),
        Some(
            "`#[retry]` with a name follows one of the policies that the program installs, for \
             which `persevere` needs its feature `config`; or give a policy, as in \
             `#[retry(immediate().max_attempts(3))]`"
        )
    );
    let default = refusal(quote!(when = f)).expect("a refusal");
    assert!(
        default.starts_with("`#[retry]` without a policy follows the default one of the policies")
    );
    assert_eq!(refusal(quote!(POLICY)), None);
}

#[test]
fn what_other_macros_say_of_the_outcome_is_said_without_the_report() {
    let function = quote! {
        fn save(item: u8) -> Result<u8, RetryError<Error>> {
            if false {
                let __tracing_attr_fake_return: Result<u8, RetryError<Error>> = loop {};
                return __tracing_attr_fake_return;
            }
            {
                let own: Result<u8, RetryError<Error>> = put(item);
                own.map_err(RetryError::into_error)
            }
        }
    };
    let expansion = expanded(quote!(POLICY, report), function);
    assert!(
        expansion.contains("let __tracing_attr_fake_return: Result<u8, Error> ="),
        "{expansion}"
    );
    assert!(expansion.contains("let own: Result<u8, RetryError<Error>> ="), "{expansion}");
}
