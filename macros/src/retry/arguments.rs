//! How each attempt gets its arguments.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Block, FnArg, Pat, PatIdent, Path, PathArguments, Receiver, ReceiverKind, Signature,
    Stmt, Type, parse_quote,
};

use super::body::{mentions, replace_self, this};
use super::function::{Flavour, without_impl_trait};
use super::locals::{
    Local, binds, changed_inside, conditions, configuration, locals, names, plain, unraw,
};
use super::settings::Settings;

/// How an attempt is given what the function was given.
enum How {
    /// A shared reference is copied.
    Copy,
    /// `&mut` is borrowed again.
    Reborrow,
    /// So is a pinned one.
    ReborrowPinned,
    /// What is owned is cloned, and given away to the last attempt.
    Own,
    /// It is cloned for all attempts, since the policy borrows it.
    Clone,
}

/// One argument, or another variable that the attempts need by value.
struct Argument {
    /// `#[cfg(..)]`.
    attributes: Vec<Attribute>,
    /// Its name outside of the attempts.
    outer: TokenStream,
    /// For the names of what is made of it.
    stem: String,
    /// Its pattern inside.
    inner: Pat,
    /// As far as it is written.
    ty: Option<Type>,
    /// Where to point if it cannot be cloned.
    span: Span,
    how: How,
}

/// The arguments as the attempts get them.
pub(super) struct Arguments {
    /// Before the first attempt.
    pub(super) held: TokenStream,
    /// Before each.
    pub(super) lent: TokenStream,
    /// In each.
    pub(super) bound: TokenStream,
}

impl Arguments {
    /// Looks at signature and body and changes both as needed: patterns go from one to the other.
    pub(super) fn of(
        signature: &mut Signature,
        before: &mut [Stmt],
        body: &mut Block,
        flavour: Flavour,
        settings: &Settings,
    ) -> Self {
        let policy = settings.expressions();
        let mut all = vec![];
        let mut locals = locals(before);
        let is_changed_before = before.len() > 1;
        for (index, argument) in signature.inputs.iter_mut().enumerate() {
            match argument {
                FnArg::Receiver(receiver) => all.extend(of_self(receiver, body, is_changed_before)),
                FnArg::Typed(argument) => {
                    let (attributes, ty) = (configuration(&argument.attrs), &argument.ty);
                    let conditions = conditions(&argument.attrs);
                    let named = |outer: &Ident, stem, inner| Argument {
                        attributes,
                        outer: outer.into_token_stream(),
                        stem,
                        inner,
                        ty: Some((**ty).clone()),
                        span: ty.span(),
                        how: how(ty),
                    };
                    match &mut *argument.pat {
                        Pat::Wild(_) => {}
                        Pat::Ident(name) if is_plain(name) => {
                            let stem = unraw(&name.ident);
                            let same =
                                locals.iter_mut().find(|local| local.name.ident == name.ident);
                            if let Some(local) = same {
                                local.or_where(conditions);
                            } else if mentions(body.to_token_stream(), &stem) {
                                all.push(named(&name.ident, stem, Pat::Ident(name.clone())));
                            }
                            if !is_changed_before {
                                name.mutability = None;
                            } else if name.mutability.is_some() {
                                argument.attrs.push(changed_inside());
                            }
                        }
                        pattern if flavour == Flavour::Deferred || binds(pattern, &policy) => {
                            let names = names(pattern);
                            if names.iter().any(|name| name.mutability.is_some()) {
                                argument.attrs.push(changed_inside());
                            }
                            locals.extend(Local::all(names, &conditions));
                        }
                        pattern => {
                            let outer = format_ident!("argument{index}", span = Span::mixed_site());
                            // As no argument with a name can be called.
                            let stem = format!("{index}_argument");
                            let inner = std::mem::replace(pattern, Pat::Ident(plain(&outer)));
                            all.push(named(&outer, stem, inner));
                        }
                    }
                }
            }
        }
        let is_needed = |local: &Local| mentions(body.to_token_stream(), &unraw(&local.name.ident));
        all.extend(locals.into_iter().filter(is_needed).map(Argument::from));
        let mut arguments = Arguments::none();
        let mut stems: Vec<String> = vec![];
        for mut argument in all {
            if matches!(argument.how, How::Own) && mentions(policy.clone(), &argument.stem) {
                argument.how = How::Clone;
            }
            if stems.contains(&argument.stem) {
                // A macro may give two arguments one name, that are not the same to the compiler.
                argument.stem = format!("{}_{}", stems.len(), argument.stem);
            }
            arguments.add(&argument, &settings.root);
            stems.push(argument.stem);
        }
        arguments
    }

    fn none() -> Self {
        let nothing = TokenStream::new;
        Arguments { held: nothing(), lent: nothing(), bound: nothing() }
    }

    fn add(&mut self, argument: &Argument, root: &Path) {
        let Argument { attributes, outer, stem, inner, ty, span, how } = argument;
        let local = |prefix: &str| format_ident!("{prefix}_{stem}", span = Span::mixed_site());
        let (held, lent) = (local("held"), local("lent"));
        let method = |name: &str| {
            let name = Ident::new(name, Span::mixed_site());
            match ty {
                // The compiler shows the whole type.
                Some(ty) if is_nameable(ty) => {
                    quote!(<#ty as #root::macro_support::Argument>::#name)
                }
                _ => quote!(#root::macro_support::Argument::#name),
            }
        };
        // Where the type cannot be written, the compiler shows what is given instead. It would not
        // if that were hygienic.
        let held = match ty {
            Some(ty) if is_nameable(ty) => held,
            _ => format_ident!("__held_{stem}", span = *span),
        };
        let value = match how {
            How::Copy => quote!(#outer),
            How::Reborrow => quote!(&mut *#outer),
            How::ReborrowPinned => {
                self.held.extend(quote!(#(#attributes)* let mut #held = #outer;));
                quote!(::core::pin::Pin::as_mut(&mut #held))
            }
            How::Own => {
                self.held.extend(
                    quote!(#(#attributes)* let mut #held = ::core::option::Option::Some(#outer);),
                );
                let (method, attempts) =
                    (method("for_attempt"), Ident::new("attempts", Span::mixed_site()));
                let held = quote_spanned!(held.span()=> &mut #held);
                quote!(#method(#held, #attempts.is_last()))
            }
            How::Clone => {
                let method = method("for_another");
                quote!(#method(&#outer))
            }
        };
        self.lent.extend(quote!(#(#attributes)* let #lent = #value;));
        self.bound.extend(quote!(#(#attributes)* let #inner = #lent;));
    }
}

fn is_plain(name: &PatIdent) -> bool {
    name.by_ref.is_none() && name.subpat.is_none()
}

/// How an argument of a type is given to each attempt, by what is written of it.
fn how(ty: &Type) -> How {
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => How::Reborrow,
        Type::Reference(_) => How::Copy,
        Type::Paren(inner) => how(&inner.elem),
        Type::Group(inner) => how(&inner.elem),
        Type::Path(path) => {
            let pin = path.path.segments.last().filter(|last| last.ident == "Pin");
            let Some(PathArguments::AngleBracketed(pinned)) = pin.map(|pin| &pin.arguments) else {
                return How::Own;
            };
            match pinned.args.first() {
                Some(syn::GenericArgument::Type(Type::Reference(reference)))
                    if reference.mutability.is_some() =>
                {
                    How::ReborrowPinned
                }
                _ => How::Own,
            }
        }
        _ => How::Own,
    }
}

/// Whether a type is a reference, as far as that is written.
pub(super) fn is_borrowed(ty: &Type) -> bool {
    matches!(how(ty), How::Copy | How::Reborrow)
}

/// Whether the type can be written in a body.
fn is_nameable(ty: &Type) -> bool {
    let opaque = without_impl_trait(ty.clone()).to_token_stream().to_string();
    opaque == ty.to_token_stream().to_string()
}

/// `self` by anything but a shared reference becomes another variable, since `self` cannot be
/// bound.
fn of_self(receiver: &mut Receiver, body: &mut Block, is_changed_before: bool) -> Option<Argument> {
    let (how, ty, span) = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutable) => {
            mutable.as_ref()?;
            (How::Reborrow, None, receiver.self_token.span)
        }
        ReceiverKind::Typed(_, ty) => match how(ty) {
            How::Copy => return None,
            how => (how, Some((**ty).clone()), ty.span()),
        },
        _ => {
            let span = receiver.self_token.span;
            let ty = Ident::new("Self", span);
            (How::Own, Some(parse_quote!(#ty)), span)
        }
    };
    if !mentions(body.to_token_stream(), "self") {
        return None;
    }
    let mutability = receiver.mutability;
    if !is_changed_before {
        receiver.mutability = None;
    } else if mutability.is_some() {
        receiver.attrs.push(changed_inside());
    }
    replace_self(body);
    let name = this(receiver.self_token.span);
    let attributes = configuration(&receiver.attrs);
    let inner = Pat::Ident(PatIdent { mutability, ..plain(&name) });
    let outer = receiver.self_token.to_token_stream();
    Some(Argument { attributes, outer, stem: "self".into(), inner, ty, span, how })
}

impl From<Local> for Argument {
    fn from(Local { name, conditions }: Local) -> Self {
        let attribute: Attribute = parse_quote!(#[cfg(any(#(#conditions),*))]);
        Argument {
            attributes: if conditions.is_empty() { vec![] } else { vec![attribute] },
            outer: name.ident.to_token_stream(),
            stem: unraw(&name.ident),
            span: name.ident.span(),
            inner: Pat::Ident(name),
            ty: None,
            how: How::Own,
        }
    }
}
