//! What one attempt borrows mutably the next one has to borrow again, so none can return it.

use syn::visit_mut::{self, VisitMut};
use syn::{
    Error, FnArg, GenericArgument, Lifetime, ParenthesizedGenericArguments, PathArguments,
    ReceiverKind, Signature, Type, TypeFnPtr, TypeReference,
};

/// Refuses an outcome that borrows from a `&mut` argument, as far as that is written. The rest the
/// compiler finds, in words that are harder to read.
pub(super) fn refuse_to_lend_twice(signature: &Signature, outcome: &Type) -> syn::Result<()> {
    let lenders: Vec<_> = signature.inputs.iter().filter_map(Lender::of).collect();
    let lent = lifetimes(outcome).into_iter().any(|lifetime| match lifetime {
        // The rules of elision: that of `self`, or of the only reference.
        None => match (lenders.iter().find(|lender| lender.is_self), &*lenders) {
            (Some(lender), _) | (None, [lender]) => lender.is_exclusive,
            _ => false,
        },
        Some(name) => {
            lenders.iter().any(|lender| lender.is_exclusive && lender.outer == Some(&name))
                && !signature.inputs.iter().any(|argument| is_shared_by(argument, &name))
        }
    });
    if !lent {
        return Ok(());
    }
    let of_self = lenders.iter().any(|lender| lender.is_self && lender.is_exclusive);
    let what = if of_self { "`&mut self`" } else { "a `&mut` argument" };
    let message = format!(
        "what is returned borrows from {what}, which no retry can lend twice: the next attempt \
         needs it again; return an owned value, or write the loop with \
         `attempts.again(error).await?`"
    );
    Err(Error::new_spanned(outcome, message))
}

/// An argument that is a reference.
struct Lender<'a> {
    is_self: bool,
    is_exclusive: bool,
    /// The name of the reference's own lifetime.
    outer: Option<&'a Lifetime>,
}

impl<'a> Lender<'a> {
    fn of(argument: &'a FnArg) -> Option<Self> {
        let is_self = matches!(argument, FnArg::Receiver(_));
        let written =
            |ty| reference(ty).map(|reference| (&reference.lifetime, &reference.mutability));
        let (lifetime, mutability) = match argument {
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Reference(_, lifetime, mutability) => (lifetime, mutability),
                ReceiverKind::Typed(_, ty) => written(ty)?,
                _ => return None,
            },
            FnArg::Typed(argument) => written(&argument.ty)?,
        };
        let outer = lifetime.as_ref().filter(|lifetime| lifetime.ident != "_");
        Some(Lender { is_self, is_exclusive: mutability.is_some(), outer })
    }
}

/// The reference that a type is, be it pinned.
fn reference(ty: &Type) -> Option<&TypeReference> {
    match ty {
        Type::Reference(reference) => Some(reference),
        Type::Paren(inner) => reference(&inner.elem),
        Type::Group(inner) => reference(&inner.elem),
        Type::Path(path) => {
            let pin = path.path.segments.last().filter(|last| last.ident == "Pin")?;
            let PathArguments::AngleBracketed(pinned) = &pin.arguments else { return None };
            match pinned.args.first()? {
                GenericArgument::Type(ty) => reference(ty),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether an argument has `name` anywhere but on a `&mut` of its own.
fn is_shared_by(argument: &FnArg, name: &Lifetime) -> bool {
    let has = |ty: &Type| lifetimes(ty).into_iter().flatten().any(|lifetime| lifetime == *name);
    let has_inside = |ty: &Type| match reference(ty) {
        Some(reference) if reference.mutability.is_some() => has(&reference.elem),
        _ => has(ty),
    };
    match argument {
        FnArg::Typed(argument) => has_inside(&argument.ty),
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, lifetime, None) => lifetime.as_ref() == Some(name),
            ReceiverKind::Typed(_, ty) => has_inside(ty),
            _ => false,
        },
    }
}

/// The lifetimes in a type; `None` for one that is not named. Those of function types are their
/// own affair.
fn lifetimes(ty: &Type) -> Vec<Option<Lifetime>> {
    struct Lifetimes(Vec<Option<Lifetime>>);
    impl VisitMut for Lifetimes {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            let named = (lifetime.ident != "_").then(|| lifetime.clone());
            self.0.push(named);
        }
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            if reference.lifetime.is_none() {
                self.0.push(None);
            }
            visit_mut::visit_type_reference_mut(self, reference);
        }
        fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments_mut(
            &mut self,
            _: &mut ParenthesizedGenericArguments,
        ) {
        }
    }
    let mut lifetimes = Lifetimes(vec![]);
    lifetimes.visit_type_mut(&mut ty.clone());
    lifetimes.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{ItemFn, ReturnType, parse_str};

    fn is_refused(function: &str) -> bool {
        let function: ItemFn = parse_str(&format!("{function} {{}}")).expect("a function");
        let ReturnType::Type(_, outcome) = &function.sig.output else { panic!("an outcome") };
        refuse_to_lend_twice(&function.sig, outcome).is_err()
    }

    #[test]
    fn what_borrows_from_an_exclusive_reference_is_refused() {
        for function in [
            "fn f(&mut self) -> Result<&u8, E>",
            "fn f(&mut self, other: &str) -> Option<Rows<'_>>",
            "fn f<'a>(&'a mut self, other: &str) -> Option<Rows<'a>>",
            "fn f(self: &mut Self) -> Option<&mut u8>",
            "fn f(self: Pin<&mut Self>, other: &str) -> Option<&u8>",
            "fn f<'a>(mut self: std::pin::Pin<&'a mut Self>) -> Option<&'a u8>",
            "fn f(buffer: &mut Vec<u8>, by: u8) -> Option<&u8>",
            "fn f<'a>(buffer: &'a mut Vec<u8>, other: &str) -> Result<u8, &'a str>",
        ] {
            assert!(is_refused(function), "{function}");
        }
    }

    #[test]
    fn what_borrows_from_elsewhere_is_not() {
        for function in [
            "fn f(&mut self) -> Result<u8, E>",
            "fn f(&self, buffer: &mut Vec<u8>) -> Option<&u8>",
            "fn f<'a>(&mut self, other: &'a str) -> Option<&'a str>",
            "fn f<'a>(&mut self, buffer: &'a mut Vec<&'a str>) -> Option<&'a str>",
            "fn f<'a>(self: &'a Self, buffer: &'a mut u8) -> Option<&'a str>",
            "fn f(self: Pin<&Self>, buffer: &mut u8) -> Option<&u8>",
            "fn f(self: Pin<Box<Self>>, text: &str) -> Option<&str>",
            "fn f(&mut self) -> Option<&'static str>",
            "fn f(&mut self) -> Option<fn(&str) -> &str>",
            "fn f(&mut self) -> Option<Box<dyn Fn(&str) -> bool>>",
            "fn f(buffer: &mut u8, text: &str) -> Option<&u8>",
            "fn f<'a>(this: &'a mut Client, own: Rows<'a>) -> Option<Rows<'a>>",
        ] {
            assert!(!is_refused(function), "{function}");
        }
    }
}
