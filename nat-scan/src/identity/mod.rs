//! Who the scan is to the target: credentials, and how they get onto a request.

mod session;
mod token;

use secrecy::SecretString;

pub use session::Session;
pub use token::AuthError;

/// Credentials as the user gives them (`auth` and `second_auth` of the contract).
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Anonymous.
    #[default]
    None,
    /// `Authorization: Bearer <token>`
    Bearer(SecretString),
    /// Any header.
    Header {
        /// Name.
        name: String,
        /// Value.
        value: SecretString,
    },
    /// `Authorization: Basic`
    Basic {
        /// User.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// OAuth2: password grant when `username` is there, else client credentials.
    OAuth2(Box<OAuth2>),
    /// Several of them on each request, for example an API key beside a bearer token.
    All(Vec<Credentials>),
}

/// An OAuth2 grant.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// Token endpoint; passes the target policy.
    pub token_url: url::Url,
    /// Client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<SecretString>,
    /// Resource owner.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// `scope`
    pub scope: Option<String>,
}
