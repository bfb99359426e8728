//! The function that is decorated: what it is, and what its attempts make.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::visit_mut::{self, VisitMut};
use syn::{
    AttrStyle, Attribute, Block, Error, Expr, ExprAsync, GenericArgument, Item, PathArguments,
    ReturnType, Signature, Stmt, Token, Type, TypeParamBound, Visibility, braced, token,
};

use super::receiver::refuse_to_lend_twice;

/// A function or a method with a body.
pub(super) struct Function {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) default: Option<Token![default]>,
    pub(super) signature: Signature,
    pub(super) body: Block,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if let Some(error) = no_function(input) {
            return Err(error);
        }
        let mut attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let default = input.parse()?;
        let signature: Signature = input.parse()?;
        if input.peek(Token![;]) {
            let message = "this method has no body to retry; put `#[retry]` on its implementations";
            return Err(Error::new_spanned(signature, message));
        }
        let content;
        let brace_token = braced!(content in input);
        for mut inner in content.call(Attribute::parse_inner)? {
            // The body moves into a block, where they could not stand.
            inner.style = AttrStyle::Outer;
            attributes.push(inner);
        }
        let body = Block { brace_token, stmts: content.call(Block::parse_within)? };
        Ok(Function { attributes, visibility, default, signature, body })
    }
}

/// What to say where the item is no function at all.
fn no_function(input: ParseStream<'_>) -> Option<Error> {
    let fork = input.fork();
    let head = || {
        fork.call(Attribute::parse_outer)?;
        fork.parse::<Visibility>()?;
        fork.parse::<Option<Token![default]>>()?;
        fork.parse::<Signature>()
    };
    let Err(error) = head() else { return None };
    let (kind, hint) = match input.fork().parse::<Item>() {
        Ok(Item::Struct(_)) => ("a struct", ""),
        Ok(Item::Enum(_)) => ("an enum", ""),
        Ok(Item::Impl(_)) => ("an `impl` block", ": put it on each method"),
        Ok(Item::Trait(_)) => ("a trait", ": put it on each method that has a body"),
        Ok(Item::Mod(_)) => ("a module", ": put it on each function"),
        Ok(Item::Const(_)) => ("a constant", ""),
        Ok(Item::Static(_)) => ("a static", ""),
        Ok(Item::Type(_)) => ("a type", ""),
        Ok(Item::Macro(_)) => ("a macro", ""),
        Ok(Item::Fn(_)) | Err(_) => return Some(error),
        Ok(_) => ("something else", ""),
    };
    let message = format!("`#[retry]` goes on a function or a method, and this is {kind}{hint}");
    Some(Error::new(Span::call_site(), message))
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { attributes, visibility, default, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #default #signature #body));
    }
}

/// Where the attempts are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// In a plain function.
    Blocking,
    /// In an `async fn`.
    Async,
    /// In the `async` block that a plain function returns, as one under `#[async_trait]` does.
    Deferred,
}

/// What the attempts make, as far as it is written.
pub(super) struct Shape {
    pub(super) flavour: Flavour,
    pub(super) outcome: Type,
}

impl Function {
    /// Finds out what the attempts make, and refuses what can make nothing.
    pub(super) fn shape(&mut self) -> syn::Result<Shape> {
        if let Some(constness) = &self.signature.constness {
            let message = "a `const fn` cannot be retried: it cannot wait";
            return Err(Error::new_spanned(constness, message));
        }
        let message = "a function that returns nothing cannot fail, so there is nothing to retry; \
                       return a `Result`, an `Option` or another `Outcome`";
        let declared = match &self.signature.output {
            ReturnType::Default => {
                return Err(Error::new_spanned(&self.signature.ident, message));
            }
            ReturnType::Type(_, declared) => (**declared).clone(),
        };
        let (flavour, outcome) = if self.signature.asyncness.is_some() {
            (Flavour::Async, declared)
        } else {
            let has_tail = tail(&mut self.body).is_some();
            match future_output(&declared) {
                Some(outcome) if has_tail => (Flavour::Deferred, outcome),
                Some(_) => {
                    let message = "a function that returns a future is retried if its body ends in \
                                   `async move { .. }` or `Box::pin(async move { .. })`; or make it \
                                   an `async fn`";
                    return Err(Error::new_spanned(&declared, message));
                }
                None if has_tail => (Flavour::Deferred, Type::Infer(infer(Span::mixed_site()))),
                None => (Flavour::Blocking, declared),
            }
        };
        match &outcome {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Err(Error::new_spanned(tuple, message)),
            Type::Never(never) => Err(Error::new_spanned(never, message)),
            _ => {
                refuse_to_lend_twice(&self.signature, &outcome)?;
                Ok(Shape { flavour, outcome })
            }
        }
    }
}

/// The output of a type that is a future by its looks.
fn future_output(ty: &Type) -> Option<Type> {
    match ty {
        Type::ImplTrait(ty) => ty.bounds.iter().find_map(bound_output),
        Type::TraitObject(ty) => ty.bounds.iter().find_map(bound_output),
        Type::Paren(ty) => future_output(&ty.elem),
        Type::Group(ty) => future_output(&ty.elem),
        Type::Path(ty) => {
            let last = ty.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            let mut types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            match last.ident.to_string().as_str() {
                "Pin" | "Box" => future_output(types.next()?),
                "BoxFuture" | "LocalBoxFuture" => types.next().cloned(),
                _ => None,
            }
        }
        _ => None,
    }
}

fn bound_output(bound: &TypeParamBound) -> Option<Type> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(output.ty.clone()),
        _ => None,
    })
}

/// The `async` block that a body ends in, on its own or boxed.
pub(super) fn tail(body: &mut Block) -> Option<&mut ExprAsync> {
    match body.stmts.last_mut()? {
        Stmt::Expr(tail, None) => async_block(tail),
        _ => None,
    }
}

fn async_block(expression: &mut Expr) -> Option<&mut ExprAsync> {
    match expression {
        Expr::Async(block) => Some(block),
        Expr::Paren(inner) => async_block(&mut inner.expr),
        Expr::Group(inner) => async_block(&mut inner.expr),
        Expr::MethodCall(call) if call.method == "boxed" || call.method == "boxed_local" => {
            async_block(&mut call.receiver)
        }
        Expr::Call(call) if call.args.len() == 1 => {
            let Expr::Path(function) = &*call.func else { return None };
            let mut segments = function.path.segments.iter().rev();
            let is_pin = segments.next().is_some_and(|last| last.ident == "pin")
                && segments.next().is_some_and(|owner| owner.ident == "Box");
            if is_pin { async_block(call.args.first_mut()?) } else { None }
        }
        _ => None,
    }
}

fn infer(span: Span) -> syn::TypeInfer {
    syn::TypeInfer { attrs: vec![], underscore_token: token::Underscore(span) }
}

/// The same type with `_` for every `impl Trait`, which can be written nowhere but in a signature.
pub(super) fn without_impl_trait(mut ty: Type) -> Type {
    struct Infer;
    impl VisitMut for Infer {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            match ty {
                Type::ImplTrait(opaque) => *ty = Type::Infer(infer(opaque.impl_token.span)),
                _ => visit_mut::visit_type_mut(self, ty),
            }
        }
    }
    Infer.visit_type_mut(&mut ty);
    ty
}
