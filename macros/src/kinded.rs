//! `#[derive(Kinded)]`: one kind per variant, groups of them, and the kinds of what is inside.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Generics, Ident, LitStr, Member, Path,
    Token, Type, WherePredicate, parenthesized, parse_quote,
};

use crate::suggest;

/// Stands for every error in a configuration.
const ANY: &str = "any";

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    syn::parse2(item).and_then(derive).unwrap_or_else(Error::into_compile_error)
}

/// Where an attribute stands, and with that what it may say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Enum,
    Struct,
    Variant,
    Field,
}

impl Place {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Place::Enum => &["group", "sources", "crate"],
            Place::Struct => &["name", "group", "through", "sources", "crate"],
            Place::Variant => &["name", "group", "through"],
            Place::Field => &["through"],
        }
    }

    /// Where a key belongs that does not belong here.
    fn elsewhere(self, key: &str) -> Option<&'static str> {
        match (self, key) {
            (Place::Enum, "name" | "through") => Some("a variant"),
            (Place::Variant | Place::Field, "sources" | "crate") => Some("the type"),
            (Place::Field, "name" | "group") => Some("a variant"),
            _ => None,
        }
    }
}

/// What the attributes of one place say.
#[derive(Default)]
struct Said {
    name: Option<LitStr>,
    groups: Vec<LitStr>,
    through: Option<Span>,
    sources: Vec<Type>,
    root: Option<Path>,
}

impl Said {
    fn by(attributes: &[Attribute], place: Place, errors: &mut Vec<Error>) -> Self {
        let mut said = Said::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("kinded")) {
            let read = attribute.parse_nested_meta(|meta| said.read(&meta, place, errors));
            errors.extend(read.err());
        }
        said
    }

    fn read(
        &mut self,
        meta: &ParseNestedMeta<'_>,
        place: Place,
        errors: &mut Vec<Error>,
    ) -> syn::Result<()> {
        let key = match meta.path.get_ident() {
            Some(key) => key.unraw().to_string(),
            None => meta.path.to_token_stream().to_string().replace(' ', ""),
        };
        if !place.keys().contains(&key.as_str()) {
            let message = match place.elsewhere(&key) {
                Some(where_to) => format!("`{key}` belongs on {where_to}"),
                None => suggest::unknown(&key, place.keys()),
            };
            errors.push(meta.error(message));
            return skip(meta);
        }
        let twice = || meta.error(format!("`{key}` is given twice"));
        match key.as_str() {
            "name" => {
                let name = text(meta)?;
                if self.name.replace(name).is_some() {
                    errors.push(twice());
                }
            }
            "group" => {
                let group = text(meta)?;
                if self.groups.iter().any(|other| other.value() == group.value()) {
                    let message = format!("it is in group `{}` already", group.value());
                    errors.push(Error::new_spanned(&group, message));
                } else {
                    self.groups.push(group);
                }
            }
            "through" => {
                if self.through.replace(meta.path.span()).is_some() {
                    errors.push(twice());
                }
            }
            "sources" => {
                let types;
                parenthesized!(types in meta.input);
                self.sources.extend(Punctuated::<Type, Token![,]>::parse_terminated(&types)?);
            }
            _ => self.root = Some(crate::root(meta.value()?)?),
        }
        Ok(())
    }
}

/// Passes over the value of a key that is not known.
fn skip(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let inside;
        parenthesized!(inside in meta.input);
        inside.parse::<TokenStream>()?;
    }
    Ok(())
}

/// A name, which has to be one that a configuration can give.
fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let name: LitStr = meta.value()?.parse().map_err(|error| {
        Error::new(error.span(), "expected a string literal: the name of a kind")
    })?;
    match name.value().as_str() {
        "" => Err(Error::new_spanned(name, "a kind needs a name")),
        ANY => Err(Error::new_spanned(name, "`any` is reserved: it stands for every error")),
        value if value.trim() != value => {
            Err(Error::new_spanned(name, "a name has no space at its ends"))
        }
        _ => Ok(name),
    }
}

/// A variant, or the struct.
struct Kind {
    /// How it is matched: `Self::Variant`.
    pattern: TokenStream,
    name: LitStr,
    groups: Vec<LitStr>,
    /// The fields that know kinds of their own.
    through: Vec<(Member, Type)>,
}

fn derive(input: DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = vec![];
    let (kinds, of_type) = match &input.data {
        Data::Enum(data) => {
            let of_type = Said::by(&input.attrs, Place::Enum, &mut errors);
            let kinds: Vec<_> = data
                .variants
                .iter()
                .map(|variant| {
                    let mut said = Said::by(&variant.attrs, Place::Variant, &mut errors);
                    for group in &of_type.groups {
                        match said.groups.iter().find(|own| own.value() == group.value()) {
                            Some(own) => errors.push(Error::new_spanned(
                                own,
                                format!("the whole enum is in group `{}` already", own.value()),
                            )),
                            None => said.groups.push(group.clone()),
                        }
                    }
                    let name = &variant.ident;
                    kind(quote!(Self::#name), name, said, &variant.fields, &mut errors)
                })
                .collect();
            (kinds, of_type)
        }
        Data::Struct(data) => {
            let mut of_type = Said::by(&input.attrs, Place::Struct, &mut errors);
            let said = Said {
                name: of_type.name.take(),
                groups: std::mem::take(&mut of_type.groups),
                through: of_type.through,
                ..Said::default()
            };
            let kind = kind(quote!(Self), &input.ident, said, &data.fields, &mut errors);
            (vec![kind], of_type)
        }
        Data::Union(data) => {
            let message = "`Kinded` is derived for enums and structs: nobody knows what a union is";
            return Err(Error::new_spanned(data.union_token, message));
        }
    };
    for own in of_type.sources.iter().filter(|ty| is_own(ty, &input.ident)) {
        let message = "an error that looks for its own type among its sources finds itself, for ever; \
                       put `through` on the field that holds another";
        errors.push(Error::new_spanned(own, message));
    }
    let names = names(&kinds, &mut errors);
    if let Some(error) = errors.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    }) {
        return Err(error);
    }
    Ok(implementation(&input, &kinds, &of_type, &names))
}

fn kind(
    pattern: TokenStream,
    ident: &Ident,
    said: Said,
    fields: &Fields,
    errors: &mut Vec<Error>,
) -> Kind {
    let name = said.name.unwrap_or_else(|| {
        let name = LitStr::new(&ident.unraw().to_string(), ident.span());
        if name.value() == ANY {
            let message = "`any` is reserved: it stands for every error; give `name = \"..\"`";
            errors.push(Error::new_spanned(&name, message));
        }
        name
    });
    let member = |index: usize, field: &Field| match &field.ident {
        Some(name) => Member::Named(name.clone()),
        None => Member::Unnamed(syn::Index { index: index as u32, span: field.ty.span() }),
    };
    let mut through = vec![];
    for (index, field) in fields.iter().enumerate() {
        let of_field = Said::by(&field.attrs, Place::Field, errors);
        match (of_field.through, said.through, fields.len()) {
            (Some(span), Some(_), _) => {
                errors.push(Error::new(span, "`through` is given twice, here and around it"));
            }
            (Some(_), None, _) | (None, Some(_), 1) => {
                through.push((member(index, field), field.ty.clone()));
            }
            _ => {}
        }
    }
    if let Some(span) = said.through.filter(|_| fields.len() != 1) {
        let message = match fields.len() {
            0 => "`through` asks a field, and there is none",
            _ => "`through` asks the only field; put it on those of several that are to be asked",
        };
        errors.push(Error::new(span, message));
    }
    Kind { pattern, name, groups: said.groups, through }
}

/// All names, each once, variants first. A name is one variant's, or a group's.
fn names(kinds: &[Kind], errors: &mut Vec<Error>) -> Vec<LitStr> {
    let mut names: Vec<LitStr> = vec![];
    for kind in kinds {
        if names.iter().any(|name| name.value() == kind.name.value()) {
            let message = format!(
                "two variants are called `{}`; for a name that several share, give each `group = \"..\"`",
                kind.name.value()
            );
            errors.push(Error::new_spanned(&kind.name, message));
        }
        names.push(kind.name.clone());
    }
    let variants = names.len();
    for group in kinds.iter().flat_map(|kind| &kind.groups) {
        let same = names.iter().position(|name| name.value() == group.value());
        match same {
            Some(index) if index < variants => {
                let message = format!("`{}` is the name of a variant", group.value());
                errors.push(Error::new_spanned(group, message));
            }
            Some(_) => {}
            None => names.push(group.clone()),
        }
    }
    names
}

fn implementation(
    input: &DeriveInput,
    kinds: &[Kind],
    of_type: &Said,
    names: &[LitStr],
) -> TokenStream {
    let root = of_type.root.clone().unwrap_or_else(|| parse_quote!(::persevere));
    let kinded = quote!(#root::classify::Kinded);
    let arms = kinds.iter().map(|kind| {
        let Kind { pattern, name, groups, through } = kind;
        let fields: Vec<_> = through.iter().map(|(member, _)| member).collect();
        let bound: Vec<_> = (0..fields.len())
            .map(|index| Ident::new(&format!("inner{index}"), Span::mixed_site()))
            .collect();
        let asked = through
            .iter()
            .zip(&bound)
            .map(|((_, ty), field)| quote!(|| <#ty as #kinded>::is_kind(#field, name)));
        quote! {
            #pattern { #(#fields: #bound,)* .. } => {
                ::core::matches!(name, #name #(| #groups)*) #(#asked)*
            }
        }
    });
    let sources = &of_type.sources;
    let (name, is_kind) = if kinds.is_empty() {
        (quote!(_), quote!(match *self {}))
    } else {
        let wrapped = quote!(#(|| #root::classify::source_is_kind::<#sources>(self, name))*);
        (quote!(name), quote!(let own = match self { #(#arms)* }; own #wrapped))
    };
    let through = kinds.iter().flat_map(|kind| &kind.through).map(|(_, ty)| ty);
    // What has one of its own type in it would list the names of that without end.
    let (own, others): (Vec<_>, Vec<_>) =
        through.chain(sources).partition(|ty| has_own(ty, &input.ident));
    let constant = std::iter::once(quote!(Self)).chain(own.iter().map(|ty| quote!(#ty)));
    let constant: Vec<_> = constant.map(|ty| quote!(<#ty as #kinded>::KINDS)).collect();

    let generics = bounded(input, &others, sources, &kinded);
    let (implemented, arguments, bounds) = generics.split_for_impl();
    let ident = &input.ident;
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #implemented #kinded for #ident #arguments #bounds {
            const KINDS: &'static [&'static str] = &[#(#names),*];

            fn is_kind(&self, #name: &str) -> bool {
                #is_kind
            }

            fn knows(name: &str) -> bool {
                #(#constant.contains(&name))||* #(|| <#others as #kinded>::knows(name))*
            }

            fn each_kind(visit: &mut dyn ::core::ops::FnMut(&'static str)) {
                #(#constant.iter().copied().for_each(&mut *visit);)*
                #(<#others as #kinded>::each_kind(visit);)*
            }
        }
    }
}

/// The generics, with what is asked of the types of others that are made of them.
fn bounded(
    input: &DeriveInput,
    others: &[&Type],
    sources: &[Type],
    kinded: &TokenStream,
) -> Generics {
    let parameters: Vec<_> = input.generics.type_params().map(|param| &param.ident).collect();
    let is_generic = |ty: &&Type| parameters.iter().any(|name| mentions(quote!(#ty), name));
    let mut bounds: Vec<WherePredicate> = vec![];
    for ty in others.iter().copied().filter(is_generic) {
        bounds.push(parse_quote!(#ty: #kinded));
    }
    if !sources.is_empty() && !parameters.is_empty() {
        bounds.push(parse_quote!(Self: ::core::error::Error + 'static));
        for ty in sources.iter().filter(is_generic) {
            bounds.push(parse_quote!(#ty: ::core::error::Error + 'static));
        }
    }
    let mut generics = input.generics.clone();
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    generics
}

/// Whether a path leads to the type called `name`, which is derived for.
fn is_own_path(path: &Path, name: &Ident) -> bool {
    let [first, rest @ ..] = &*path.segments.iter().collect::<Vec<_>>() else { return false };
    match rest {
        _ if path.leading_colon.is_some() => false,
        [] => first.ident == "Self" || first.ident == *name,
        [last] => first.ident == "self" && last.ident == *name,
        _ => false,
    }
}

fn is_own(ty: &Type, name: &Ident) -> bool {
    matches!(ty, Type::Path(ty) if ty.qself.is_none() && is_own_path(&ty.path, name))
}

/// Whether a type is made of the type called `name`, which is derived for.
fn has_own(ty: &Type, name: &Ident) -> bool {
    struct Own<'a> {
        name: &'a Ident,
        found: bool,
    }
    impl VisitMut for Own<'_> {
        fn visit_path_mut(&mut self, path: &mut Path) {
            self.found |= is_own_path(path, self.name);
            visit_mut::visit_path_mut(self, path);
        }
    }
    let mut own = Own { name, found: false };
    own.visit_type_mut(&mut ty.clone());
    own.found
}

/// Whether a type is made of the type parameter `name`.
fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == *name,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use quote::quote;

    #[test]
    fn an_enum_knows_its_variants_their_groups_and_what_is_inside() {
        let expansion = super::expand(quote! {
            #[kinded(group = "http", sources(std::io::Error))]
            enum HttpError<E> {
                #[kinded(name = "HTTPTimeoutError", group = "transient")]
                Timeout { after: Duration },
                #[kinded(through)]
                Status(StatusCode),
                Other(#[kinded(through)] E, String),
            }
        });
        insta::assert_snapshot!(prettyplease::unparse(&syn::parse2(expansion).expect("an item")));
    }
}
