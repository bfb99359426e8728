//! The decorator: a function becomes a loop around attempts that run its body.

mod arguments;
mod body;
mod function;
mod locals;
mod receiver;
mod report;
mod settings;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Block, Expr, FnArg, Pat, Signature, Stmt, Type, parse_quote};

use self::arguments::{Arguments, is_borrowed};
use self::function::{Flavour, Function, tail, without_impl_trait};
use self::report::{unreport, without_report};
use self::settings::{Policy, Settings};

/// Expands `#[retry(settings)] function`. What cannot be retried stays what it is, beside the
/// error, so that no other error follows from that.
pub(crate) fn expand(settings: TokenStream, function: TokenStream) -> TokenStream {
    let expanded = syn::parse2(settings).and_then(|settings| {
        decorate(&settings, syn::parse2(function.clone())?).map(ToTokens::into_token_stream)
    });
    expanded.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#error #function)
    })
}

fn decorate(settings: &Settings, mut function: Function) -> syn::Result<Function> {
    settings.policy.check(cfg!(any(feature = "config", test)))?;
    let shape = function.shape()?;
    let outcome = match settings.report {
        Some(_) => {
            unreport(&mut function.body);
            without_report(&shape.outcome)?
        }
        None => shape.outcome,
    };
    let outcome = without_impl_trait(outcome);

    let signature = &mut function.signature;
    match shape.flavour {
        Flavour::Deferred => {
            let Some(mut body) = tail(&mut function.body).map(|tail| tail.block.clone()) else {
                return Ok(function);
            };
            let before = &mut function.body.stmts;
            let arguments = Arguments::of(signature, before, &mut body, shape.flavour, settings);
            let Some(tail) = tail(&mut function.body) else { return Ok(function) };
            tail.block = retry(settings, signature, &outcome, shape.flavour, &arguments, &body);
        }
        flavour => {
            let mut body = function.body;
            let arguments = Arguments::of(signature, &mut [], &mut body, flavour, settings);
            function.body = retry(settings, signature, &outcome, flavour, &arguments, &body);
        }
    }
    Ok(function)
}

/// The loop around the attempts.
fn retry(
    settings: &Settings,
    signature: &Signature,
    outcome: &Type,
    flavour: Flavour,
    arguments: &Arguments,
    body: &Block,
) -> Block {
    let root = &settings.root;
    let operation = operation(settings, signature);
    let (let_policy, policy) = policy(settings, signature, &operation);
    let setters = settings.setters.iter().map(ToTokens::to_token_stream);
    let report = settings.report.as_ref().map(|report| quote_spanned!(report.span()=> .#report()));
    let Arguments { held, lent, bound } = arguments;
    let pin = pin(outcome);
    let braces = body.brace_token;
    // The braces around it are of this crate's edition, 2024, whatever the caller's is: so what its last
    // expression borrows from an argument is dropped before the argument.
    // Items in a body may hide what the signature names, so it stays a block; but braces around a
    // mere expression would be the user's, for nothing.
    let body = match &*body.stmts {
        [Stmt::Expr(expression, None)] => expression.to_token_stream(),
        _ => body.to_token_stream(),
    };
    // Names of variables are hygienic, as in `macro_rules!`: a body cannot see or shadow them.
    let attempts = Ident::new("attempts", Span::mixed_site());
    let left = Ident::new("outcome", Span::mixed_site());
    let attempt = match flavour {
        Flavour::Blocking => quote!(#attempts.attempt_blocking(|| -> #outcome { #bound #body })),
        // What is lent belongs to the attempt, also what could be copied: a reference to it is not
        // `Send` wherever it is.
        _ => quote!(#attempts.attempt(async move { #pin #bound #body }).await),
    };
    let retried: Block = parse_quote!({
        #let_policy
        let mut #attempts = match #root::RetryExt::retry_with(#root::retry::Loop::<#outcome>::new(), #policy)
            .named(#operation)
            #(#setters)*
            #report
            .begin_uncut()
        {
            ::core::ops::ControlFlow::Continue(#attempts) => #attempts,
            ::core::ops::ControlFlow::Break(#left) => return #left,
        };
        #held
        loop {
            #lent
            match #attempt {
                ::core::ops::ControlFlow::Break(#left) => break #left,
                ::core::ops::ControlFlow::Continue(()) => {}
            }
        }
    });
    // The function begins and ends where it did.
    Block { brace_token: braces, ..retried }
}

/// Tells the compiler what an `async` block makes, for which it has no syntax; else `?` would not
/// know its error.
fn pin(outcome: &Type) -> Option<TokenStream> {
    if matches!(outcome, Type::Infer(_)) {
        return None;
    }
    let never = Ident::new("never", Span::mixed_site());
    Some(quote! {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_with_type_underscore,
            clippy::needless_return
        )]
        if false {
            let #never: #outcome = loop {};
            return #never;
        }
    })
}

/// What events call the operation.
fn operation(settings: &Settings, signature: &Signature) -> TokenStream {
    match &settings.name {
        Some(name) => name.to_token_stream(),
        None => {
            let name = signature.ident.to_string();
            let name = name.trim_start_matches("r#");
            quote!(::core::concat!(::core::module_path!(), "::", #name))
        }
    }
}

/// The policy, and what has to be said before it.
fn policy(
    settings: &Settings,
    signature: &Signature,
    operation: &TokenStream,
) -> (TokenStream, TokenStream) {
    let root = &settings.root;
    // A static is no variable: its name is hidden in a block.
    let named = |registered: TokenStream, policy: TokenStream| {
        let named = quote!({
            #root::policy_reference! { name: #registered, operation: #operation }
            static POLICY: #root::policy::NamedPolicy = #policy;
            &POLICY
        });
        (TokenStream::new(), named)
    };
    match &settings.policy {
        Policy::Default => named(
            quote!("default_policy"),
            quote!(#root::policy::NamedPolicy::default_policy(#operation)),
        ),
        Policy::Named(name) => {
            named(quote!(#name), quote!(#root::policy::NamedPolicy::new(#name, #operation)))
        }
        Policy::Moved(expression) => (TokenStream::new(), expression.to_token_stream()),
        Policy::Value(expression) => {
            let by_reference = is_place(expression) && !is_reference(expression, signature);
            if !by_reference && !matches!(expression, Expr::Reference(_)) {
                return (TokenStream::new(), expression.to_token_stream());
            }
            // In a `let`, what is borrowed lives as long as the attempts.
            let policy = Ident::new("policy", expression.span().resolved_at(Span::mixed_site()));
            let reference = by_reference.then(|| quote!(&));
            (quote!(let #policy = #reference #expression;), policy.into_token_stream())
        }
    }
}

/// Whether an expression names a place, which nothing can be moved out of.
fn is_place(expression: &Expr) -> bool {
    match expression {
        Expr::Path(_) | Expr::Field(_) => true,
        Expr::Group(group) => is_place(&group.expr),
        _ => false,
    }
}

/// Whether an expression is an argument that is a reference already.
fn is_reference(expression: &Expr, signature: &Signature) -> bool {
    let Expr::Path(path) = expression else { return false };
    signature.inputs.iter().any(|argument| match argument {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(name) => path.path.is_ident(&name.ident) && is_borrowed(&argument.ty),
            _ => false,
        },
        FnArg::Receiver(_) => false,
    })
}
