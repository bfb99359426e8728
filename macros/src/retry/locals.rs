//! The variables that patterns and statements bind, and what decides whether they are there.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Pat, PatIdent, Stmt, Token, parse_quote};

use super::body::mentions;

/// A variable, which may be there under some conditions only.
pub(super) struct Local {
    pub(super) name: PatIdent,
    /// Those of `#[cfg(..)]`, any of which suffices; none are needed if there is none.
    pub(super) conditions: Vec<TokenStream>,
}

impl Local {
    /// Those of one pattern.
    pub(super) fn all(names: Vec<PatIdent>, conditions: &[TokenStream]) -> Vec<Self> {
        names.into_iter().map(|name| Local { name, conditions: conditions.to_vec() }).collect()
    }

    /// It hides another of its name, which is there under other conditions.
    pub(super) fn or_where(&mut self, conditions: Vec<TokenStream>) {
        if conditions.is_empty() {
            self.conditions.clear();
        } else if !self.conditions.is_empty() {
            self.conditions.extend(conditions);
        }
    }
}

/// The variables that statements bind.
pub(super) fn locals(statements: &mut [Stmt]) -> Vec<Local> {
    let mut all: Vec<Local> = vec![];
    for statement in statements {
        if let Stmt::Local(local) = statement {
            let names = names(&local.pat);
            let conditions = conditions(&local.attrs);
            if names.iter().any(|name| name.mutability.is_some()) {
                local.attrs.push(changed_inside());
            }
            for mut latest in Local::all(names, &conditions) {
                let same = all.iter().position(|other| other.name.ident == latest.name.ident);
                if let Some(same) = same {
                    latest.or_where(all.remove(same).conditions);
                }
                all.push(latest);
            }
        }
    }
    all
}

/// Whether a pattern binds a variable that is mentioned.
pub(super) fn binds(pattern: &Pat, by: &TokenStream) -> bool {
    names(pattern).iter().any(|name| mentions(by.clone(), &unraw(&name.ident)))
}

/// The variables that a pattern binds. A name that begins with a capital letter is taken for a
/// constant.
pub(super) fn names(pattern: &Pat) -> Vec<PatIdent> {
    struct Names(Vec<PatIdent>);
    impl VisitMut for Names {
        fn visit_pat_ident_mut(&mut self, name: &mut PatIdent) {
            if !name.ident.to_string().starts_with(char::is_uppercase) {
                let mutability: Option<Token![mut]> =
                    name.mutability.filter(|_| name.by_ref.is_none());
                self.0.push(PatIdent { mutability, ..plain(&name.ident) });
            }
            visit_mut::visit_pat_ident_mut(self, name);
        }
    }
    let mut names = Names(vec![]);
    names.visit_pat_mut(&mut pattern.clone());
    names.0
}

/// A variable of the outer function may be changed in the attempts only, which have their own.
pub(super) fn changed_inside() -> Attribute {
    parse_quote!(#[allow(unused_mut)])
}

pub(super) fn plain(name: &Ident) -> PatIdent {
    PatIdent { attrs: vec![], by_ref: None, mutability: None, ident: name.clone(), subpat: None }
}

pub(super) fn unraw(name: &Ident) -> String {
    name.unraw().to_string()
}

/// What decides whether the argument is there.
pub(super) fn configuration(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// The same as a condition, if there is one.
pub(super) fn conditions(attributes: &[Attribute]) -> Vec<TokenStream> {
    let all = configuration(attributes);
    let all: Vec<_> = all.iter().filter_map(|it| it.meta.require_list().ok()).collect();
    let all: Vec<_> = all.iter().map(|list| &list.tokens).collect();
    if all.is_empty() { vec![] } else { vec![quote!(all(#(#all),*))] }
}
