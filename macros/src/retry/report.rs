//! A function with `report` returns `Result<T, RetryError<E>>`, and its body makes `Result<T, E>`.

use syn::visit_mut::{self, VisitMut};
use syn::{Block, Error, Expr, ExprLet, GenericArgument, Item, Local, Pat, PathArguments, Type};

use super::locals::names;

/// What the attempts make where the function returns a report: `Result<T, E>` for
/// `Result<T, RetryError<E>>`.
pub(super) fn without_report(declared: &Type) -> syn::Result<Type> {
    let unreported = || {
        let mut outcome = declared.clone();
        let Type::Path(path) = &mut outcome else { return None };
        let result = path.path.segments.last_mut().filter(|last| last.ident == "Result")?;
        let PathArguments::AngleBracketed(results) = &mut result.arguments else { return None };
        let [_, GenericArgument::Type(Type::Path(error))] =
            &mut *results.args.iter_mut().collect::<Vec<_>>()
        else {
            return None;
        };
        let error_name = error.path.segments.last().filter(|last| last.ident == "RetryError")?;
        let PathArguments::AngleBracketed(errors) = &error_name.arguments else { return None };
        let [GenericArgument::Type(inner)] = &*errors.args.iter().cloned().collect::<Vec<_>>()
        else {
            return None;
        };
        *results.args.last_mut()? = GenericArgument::Type(inner.clone());
        Some(outcome)
    };
    unreported().ok_or_else(|| {
        let message = "with `report` the function returns `Result<T, RetryError<E>>`, written out, \
                       where its body makes a `Result<T, E>`";
        Error::new_spanned(declared, message)
    })
}

/// Other macros write into a body what its function returns, so that `?` and `return` know, as
/// `#[async_trait]` and `#[tracing::instrument]` do. It is said of variables that begin with `__`.
pub(super) fn unreport(body: &mut Block) {
    Written.visit_block_mut(body);
}

/// Finds what other macros wrote.
struct Written;

impl VisitMut for Written {
    fn visit_local_mut(&mut self, local: &mut Local) {
        if let Pat::Type(typed) = &mut local.pat {
            if is_hidden(&typed.pat) {
                Reports.visit_type_mut(&mut typed.ty);
            }
        }
        visit_mut::visit_local_mut(self, local);
    }

    /// `if let Some(__ret) = None::<T> { return __ret; }`
    fn visit_expr_let_mut(&mut self, condition: &mut ExprLet) {
        if is_hidden(&condition.pat) && matches!(*condition.expr, Expr::Path(_)) {
            Reports.visit_expr_mut(&mut condition.expr);
        }
        visit_mut::visit_expr_let_mut(self, condition);
    }

    /// An item returns what it says.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn is_hidden(pattern: &Pat) -> bool {
    names(pattern).iter().any(|name| name.ident.to_string().starts_with("__"))
}

/// Makes outcomes of reports.
struct Reports;

impl VisitMut for Reports {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Ok(outcome) = without_report(ty) {
            *ty = outcome;
        }
    }
}
