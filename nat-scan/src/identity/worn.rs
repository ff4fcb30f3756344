//! The token that requests of a user carry, apart from the request: so that another one can be put in its place.

use secrecy::{ExposeSecret, SecretString};

use super::Placement;
use crate::transport::Request;

/// A token, where it goes, and what else requests of the same user carry.
#[derive(Clone, Debug)]
pub struct Worn {
    token: SecretString,
    placement: Placement,
    beside: Vec<(Placement, SecretString)>,
}

impl Worn {
    /// Of several, a JWT is the token, else the first. `None` when there is nothing.
    pub(crate) fn of(all: Vec<(Placement, SecretString)>) -> Option<Self> {
        let mut single: Vec<(Placement, SecretString)> = all.into_iter().flat_map(apart).collect();
        let chosen = single.iter().position(|(_, token)| is_jwt(token.expose_secret())).unwrap_or(0);
        if single.is_empty() {
            return None;
        }
        let (placement, token) = single.remove(chosen);
        Some(Self { token, placement, beside: single })
    }

    /// The token.
    #[must_use]
    pub const fn token(&self) -> &SecretString {
        &self.token
    }

    /// Where it goes.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The same with another token.
    #[must_use]
    pub fn with(&self, token: impl Into<SecretString>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// The same with the token elsewhere.
    pub(crate) fn moved(&self, placement: Placement) -> Self {
        Self { placement, ..self.clone() }
    }

    /// Puts all of it on a request.
    pub fn put(&self, request: &mut Request) {
        self.put_beside(request);
        self.placement.put(request, self.token.expose_secret());
    }

    /// Puts all but the token on a request.
    pub(crate) fn put_beside(&self, request: &mut Request) {
        self.beside.iter().for_each(|(placement, value)| placement.put(request, value.expose_secret()));
    }
}

/// Cookies that a login set are several.
fn apart((placement, token): (Placement, SecretString)) -> Vec<(Placement, SecretString)> {
    if placement != Placement::Cookies {
        return vec![(placement, token)];
    }
    let pairs = token.expose_secret().split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (Placement::Cookie { name: name.to_owned() }, value.to_owned().into())).collect()
}

/// Looks like a signed JSON Web Token.
pub(crate) fn is_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.matches('.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_chosen_and_the_rest_stays_beside_it() {
        let cookies = (Placement::Cookies, SecretString::from("theme=dark; sid=eyJh.eyJi.c"));
        let key = (Placement::header("X-Key", "{token}"), SecretString::from("k"));
        let worn = Worn::of(vec![key, cookies]).unwrap();
        assert_eq!(worn.token().expose_secret(), "eyJh.eyJi.c");
        let mut request = Request::new("GET", "/");
        worn.with("forged").put(&mut request);
        assert_eq!(request.header("x-key"), Some(&b"k"[..]));
        assert_eq!(request.header("cookie"), Some(&b"theme=dark; sid=forged"[..]));
        assert!(Worn::of(Vec::new()).is_none());
    }
}
