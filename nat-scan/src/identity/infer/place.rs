//! Where a token goes: what the document says, and then where most put it.

use crate::identity::answer::is_token_name;
use crate::identity::{Placement, Take};
use crate::spec::{Api, Location, Operation, SecurityScheme};

/// What may be done with what an answer offers, the likeliest first.
pub(crate) fn placements(api: &Api, offers: &[Take]) -> Vec<(Take, Placement)> {
    let token = offers.iter().find(|offer| **offer != Take::Cookies);
    let cookies = offers.contains(&Take::Cookies);
    let mut found: Vec<(Take, Placement)> = Vec::new();
    for scheme in schemes(api) {
        let places = match scheme {
            SecurityScheme::Bearer { .. } => vec![Placement::bearer()],
            SecurityScheme::ApiKey { location: Location::Header, name }
                if name.eq_ignore_ascii_case("authorization") =>
            {
                // The document says where, and nothing of the word before it.
                ["Bearer {token}", "{token}", "Token {token}"].map(|form| Placement::header(name, form)).to_vec()
            }
            SecurityScheme::ApiKey { location: Location::Header, name } => vec![Placement::header(name, "{token}")],
            SecurityScheme::ApiKey { location: Location::Query, name } => {
                vec![Placement::Query { name: name.clone(), template: "{token}".to_owned() }]
            }
            SecurityScheme::ApiKey { location: Location::Cookie, name } => {
                if cookies {
                    found.push((Take::Cookies, Placement::Cookies));
                }
                vec![Placement::Cookie { name: name.clone() }]
            }
            _ => Vec::new(),
        };
        found.extend(token.iter().flat_map(|token| places.iter().map(|place| ((*token).clone(), place.clone()))));
    }
    if let Some(token) = token {
        found.push((token.clone(), Placement::bearer()));
        found.extend(key_parameters(api).map(|name| (token.clone(), Placement::header(name, "{token}"))));
    }
    if cookies {
        found.push((Take::Cookies, Placement::Cookies));
    }
    let mut seen = Vec::new();
    found.retain(|one| {
        !seen.contains(one) && {
            seen.push(one.clone());
            true
        }
    });
    found
}

/// Headers that operations ask for as ordinary parameters, and that carry tokens.
fn key_parameters(api: &Api) -> impl Iterator<Item = &str> {
    let headers = api.operations.iter().flat_map(|operation| &operation.parameters);
    headers
        .filter(|parameter| {
            parameter.location == Location::Header && parameter.required && is_token_name(&parameter.name)
        })
        .map(|parameter| parameter.name.as_str())
        .take(1)
}

/// Schemes by how many operations ask for them; all of them when no operation asks for any.
fn schemes(api: &Api) -> Vec<&SecurityScheme> {
    let uses = |name: &str| {
        let asks = |operation: &&Operation| operation.security.iter().any(|one| one.contains_key(name));
        api.operations.iter().filter(asks).count()
    };
    let mut named: Vec<(usize, &SecurityScheme)> =
        api.security_schemes.iter().map(|(name, scheme)| (uses(name), scheme)).collect();
    named.sort_by_key(|(uses, _)| std::cmp::Reverse(*uses));
    let asked = named.first().is_some_and(|(uses, _)| *uses > 0);
    named.into_iter().filter(|(uses, _)| *uses > 0 || !asked).map(|(_, scheme)| scheme).collect()
}

/// The token endpoint that the document declares.
pub(crate) fn token_url(api: &Api) -> Option<&str> {
    schemes(api).into_iter().find_map(|scheme| match scheme {
        SecurityScheme::Bearer { token_url } => token_url.as_deref(),
        _ => None,
    })
}

/// The document declares the Basic scheme.
pub(crate) fn is_basic(api: &Api) -> bool {
    schemes(api).contains(&&SecurityScheme::Basic)
}
