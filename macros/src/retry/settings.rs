//! What stands in the parentheses of `#[retry(..)]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Ident, Lit, LitStr, Path, Token, parse_quote};

use crate::suggest;

/// The keys that are methods of the call site's builder, and take any expression.
const SETTERS: [&str; 19] = [
    "when",
    "until",
    "classify",
    "classifier",
    "on_attempt",
    "on_retry",
    "on_give_up",
    "on_success",
    "on_finish",
    "hook",
    "guard",
    "attempt_timeout",
    "attempt_timeout_by",
    "deadline",
    "interrupted",
    "timer",
    "seed",
    "cancel_by",
    "retry_now_by",
];

/// The keys that are such methods without a value.
const FLAGS: [&str; 4] = ["timed", "inherit_deadline", "report", "report_without_source"];

/// The keys that need more than a method.
const OTHERS: [&str; 2] = ["named", "crate"];

/// A method of the builder, and its argument.
pub(super) struct Setter {
    method: Ident,
    value: Option<Expr>,
}

impl ToTokens for Setter {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Setter { method, value } = self;
        tokens.extend(quote!(.#method(#value)));
    }
}

/// Which policy is followed.
pub(super) enum Policy {
    /// The default one of the installed policies.
    Default,
    /// An installed policy.
    Named(LitStr),
    /// What an expression makes, or a reference to the place that it is.
    Value(Expr),
    /// The same, but never by reference.
    Moved(Expr),
}

impl Policy {
    /// Refuses names where the library `has_names` not.
    pub(super) fn check(&self, has_names: bool) -> syn::Result<()> {
        let (span, written) = match self {
            Policy::Default => {
                (Span::call_site(), "without a policy follows the default one of the")
            }
            Policy::Named(name) => (name.span(), "with a name follows one of the"),
            Policy::Value(_) | Policy::Moved(_) => return Ok(()),
        };
        if has_names {
            return Ok(());
        }
        let message = format!(
            "`#[retry]` {written} policies that the program installs, for which `persevere` needs \
             its feature `config`; or give a policy, as in `#[retry(immediate().max_attempts(3))]`"
        );
        Err(Error::new(span, message))
    }
}

/// What stands in the parentheses.
pub(super) struct Settings {
    pub(super) policy: Policy,
    /// Calls of the builder's methods, in the order they were written.
    pub(super) setters: Vec<Setter>,
    pub(super) name: Option<LitStr>,
    /// `report` or `report_without_source`.
    pub(super) report: Option<Ident>,
    /// The path under which this crate is known to the caller.
    pub(super) root: Path,
}

impl Settings {
    /// All that is evaluated where the function is called.
    pub(super) fn expressions(&self) -> TokenStream {
        let mut tokens = TokenStream::new();
        if let Policy::Value(expression) | Policy::Moved(expression) = &self.policy {
            expression.to_tokens(&mut tokens);
        }
        self.setters.iter().for_each(|setter| setter.value.to_tokens(&mut tokens));
        tokens
    }
}

/// Everything that is wrong, rather than the first thing.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut settings = Settings {
            policy: Policy::Default,
            setters: vec![],
            name: None,
            report: None,
            root: parse_quote!(::persevere),
        };
        let mut errors = Errors::default();
        let mut seen: Vec<String> = vec![];
        let mut first = true;
        while !input.is_empty() {
            if is_key(input, first) {
                let key = Ident::parse_any(input)?;
                let name = key.unraw().to_string();
                if seen.contains(&name) {
                    let several = ["hook", "guard"].contains(&name.as_str());
                    let hint = if several { ": give a tuple of them" } else { "" };
                    errors.add(Error::new(key.span(), format!("`{name}` is given twice{hint}")));
                }
                settings.read(input, &key, &name, &mut errors)?;
                seen.push(name);
            } else {
                let policy = ungrouped(input.parse()?);
                if first {
                    match named(policy) {
                        Ok(policy) => settings.policy = policy,
                        Err(error) => errors.add(error),
                    }
                } else {
                    errors.add(Error::new_spanned(
                        policy,
                        "expected a key such as `when = ..`; the policy comes first, and there is one only",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
            first = false;
        }
        errors.0.map_or(Ok(settings), Err)
    }
}

/// Whether what comes is a key, rather than a policy. Only what comes first can be a policy that
/// is a mere name.
fn is_key(input: ParseStream<'_>, first: bool) -> bool {
    if !input.peek(Ident::peek_any) {
        return false;
    }
    if input.peek2(Token![=]) && !input.peek2(Token![==]) && !input.peek2(Token![=>]) {
        return true;
    }
    let fork = input.fork();
    let Ok(key) = Ident::parse_any(&fork) else { return false };
    let alone = fork.is_empty() || fork.peek(Token![,]);
    alone && (!first || known().any(|known| key == known))
}

fn known() -> impl Iterator<Item = &'static str> {
    SETTERS.into_iter().chain(FLAGS).chain(OTHERS)
}

impl Settings {
    /// Reads what follows `key`.
    fn read(
        &mut self,
        input: ParseStream<'_>,
        key: &Ident,
        name: &str,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        let has_value = input.peek(Token![=]);
        if has_value {
            input.parse::<Token![=]>()?;
        }
        match name {
            _ if FLAGS.contains(&name) => {
                if has_value {
                    let value: Expr = input.parse()?;
                    errors.add(Error::new_spanned(value, format!("`{name}` takes no value")));
                }
                if name.starts_with("report") {
                    self.report = Some(key.clone());
                } else {
                    self.setters.push(Setter { method: key.clone(), value: None });
                }
            }
            "policy" => {
                let span = if has_value { input.parse::<Expr>()?.span() } else { key.span() };
                let message = "the policy comes first and has no key: `#[retry(POLICY, ..)]` or `#[retry(\"name\", ..)]`";
                errors.add(Error::new(key.span().join(span).unwrap_or(key.span()), message));
            }
            _ if !known().any(|known| name == known) => {
                if has_value {
                    input.parse::<Expr>()?;
                }
                let known: Vec<_> = known().filter(|key| *key != "crate").collect();
                let mut message = suggest::unknown(name, &known);
                if !has_value {
                    message += "; if it is the policy, it comes first";
                } else if matches!(self.policy, Policy::Default)
                    && suggest::nearest(name, known).is_none()
                {
                    message += "; the policy comes first, and says how often and how long: \
                                `#[retry(immediate().max_attempts(3))]`, or \
                                `#[retry(\"fast_retry\")]`";
                }
                errors.add(Error::new(key.span(), message));
            }
            _ if !has_value || input.is_empty() || input.peek(Token![,]) => {
                let value = match name {
                    "named" => "\"a name\"",
                    "crate" => "::path::to::persevere",
                    "when" => "|error| ..",
                    "interrupted" => "|why| ..",
                    "attempt_timeout" | "deadline" => "Duration::from_secs(5)",
                    "attempt_timeout_by" => "|attempt| ..",
                    "cancel_by" => "&token",
                    "retry_now_by" => "&signal",
                    "until" => "|value| ..",
                    "classify" => "|outcome, attempt| ..",
                    "classifier" | "hook" | "guard" | "timer" | "seed" => "..",
                    _ => "|event| ..",
                };
                let message = format!("`{name}` needs a value: `{name} = {value}`");
                errors.add(Error::new(key.span(), message));
            }
            "named" => {
                let value = ungrouped(input.parse()?);
                match string(&value) {
                    Some(name) if name.value().trim().is_empty() => {
                        errors
                            .add(Error::new_spanned(name, "the name of an operation is not empty"));
                    }
                    Some(name) => self.name = Some(name),
                    None => {
                        let message = "`named` is a string literal: `named = \"a name\"`";
                        errors.add(Error::new_spanned(value, message));
                    }
                }
            }
            "crate" => self.root = crate::root(input)?,
            "interrupted" => {
                let method = Ident::new("or_interrupted", key.span());
                self.setters.push(Setter { method, value: Some(input.parse()?) });
            }
            _ => {
                let setter = Setter { method: key.clone(), value: Some(input.parse()?) };
                self.setters.push(setter);
            }
        }
        Ok(())
    }
}

/// What `macro_rules!` hands on comes in a group that nobody sees.
fn ungrouped(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) if matches!(*group.expr, Expr::Lit(_) | Expr::Path(_)) => *group.expr,
        expression => expression,
    }
}

/// The string that an expression is.
fn string(expression: &Expr) -> Option<LitStr> {
    match expression {
        Expr::Lit(literal) if literal.attrs.is_empty() => match &literal.lit {
            Lit::Str(string) => Some(string.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The policy that comes first.
fn named(expression: Expr) -> syn::Result<Policy> {
    match (string(&expression), expression) {
        (Some(name), _) if name.value().trim().is_empty() => {
            let message = "a policy needs a name; `#[retry]` alone follows the default policy";
            Err(Error::new_spanned(name, message))
        }
        (Some(name), _) => Ok(Policy::Named(name)),
        (None, Expr::Lit(literal)) => Err(Error::new_spanned(
            literal,
            "expected a policy: its name in quotes, or an expression such as `immediate().max_attempts(3)`",
        )),
        // By value, even if it is a path.
        (None, Expr::Paren(inner)) => Ok(Policy::Moved(*inner.expr)),
        (None, expression) => Ok(Policy::Value(expression)),
    }
}
