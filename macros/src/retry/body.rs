//! What a body mentions, and how it gets along without a `self` of its own.

use proc_macro2::{Group, Ident, Literal, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Item, Macro};

/// Whether `name` stands anywhere in the tokens, be it in a format string. It may say yes where the
/// name is another's.
pub(super) fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident.unraw() == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Literal(literal) => may_format(&literal.to_string(), name),
        TokenTree::Punct(_) => false,
    })
}

/// Whether a literal would name a variable if it were a format string: `{name}`, `{:name$}`.
fn may_format(literal: &str, name: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    literal.contains('{')
        && literal.match_indices(name).any(|(at, _)| {
            !literal[..at].ends_with(is_part) && !literal[at + name.len()..].starts_with(is_part)
        })
}

/// What stands for `self` where that cannot be bound anew for each attempt. It is as visible as
/// `self` is, so that format strings can name it.
pub(super) fn this(span: Span) -> Ident {
    Ident::new("__self", span)
}

/// Puts [`this`] in the place of `self`.
pub(super) fn replace_self(body: &mut Block) {
    Replace.visit_block_mut(body);
}

struct Replace;

impl VisitMut for Replace {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Path(path) if path.qself.is_none() && path.path.is_ident("self") => {
                for segment in &mut path.path.segments {
                    segment.ident = this(segment.ident.span());
                }
            }
            _ => visit_mut::visit_expr_mut(self, expression),
        }
    }

    fn visit_macro_mut(&mut self, invocation: &mut Macro) {
        invocation.tokens = in_tokens(std::mem::take(&mut invocation.tokens));
    }

    /// An item has a `self` of its own, or none.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn in_tokens(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut replaced = TokenStream::new();
    while let Some(token) = tokens.next() {
        let next_is_colon =
            matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        replaced.extend([match token {
            // `self::item` is a path.
            TokenTree::Ident(ident) if ident == "self" && !next_is_colon => {
                TokenTree::Ident(this(ident.span()))
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), in_tokens(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            TokenTree::Literal(literal) => TokenTree::Literal(in_format(literal)),
            token => token,
        }]);
    }
    replaced
}

/// `{self}` in a format string.
fn in_format(literal: Literal) -> Literal {
    let text = literal.to_string();
    let mut rest = text.as_str();
    let mut replaced = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        replaced.push_str(before);
        replaced.push('{');
        rest = after;
        if let Some(after) = rest.strip_prefix('{') {
            // An escaped brace.
            replaced.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("self") {
            if after.starts_with([':', '}']) {
                replaced.push_str("__self");
                rest = after;
            }
        }
    }
    replaced.push_str(rest);
    if replaced == text {
        return literal;
    }
    match replaced.parse::<Literal>() {
        Ok(mut new) => {
            new.set_span(literal.span());
            new
        }
        Err(_) => literal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_name_is_mentioned_by_itself_and_in_format_strings() {
        for tokens in [
            quote!(send(text)),
            quote!(f! { [text.len()] }),
            quote!(r#text + 1),
            quote!(println!("{text:?}")),
            quote!(println!("{:>text$}", 1)),
            quote!(println!(r"{ text }")),
        ] {
            assert!(mentions(tokens.clone(), "text"), "{tokens}");
        }
    }

    #[test]
    fn a_name_is_not_mentioned_by_longer_ones_and_by_mere_text() {
        for tokens in [
            quote!(send(texts, text_2, context)),
            quote!(println!("{texts} {context}")),
            quote!(println!("text")),
            quote!(Text::TEXT),
        ] {
            assert!(!mentions(tokens.clone(), "text"), "{tokens}");
        }
    }
}
