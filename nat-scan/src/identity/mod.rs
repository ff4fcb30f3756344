//! Who the scan is to the target: credentials, how they get onto a request, and how they are had where only a name and
//! a password are known, or nothing at all.
//!
//! [`Credentials`] say what is known, a [`Session`] puts it on requests and keeps tokens fresh. What a document says
//! about signing in is read by `infer`, a pure function; the engine sends what it proposes. Tokens, passwords and the
//! names of users that a scan makes are no part of any plan.

mod answer;
pub(crate) mod infer;
mod login;
mod oauth2;
mod place;
mod session;
mod token;
pub mod wfc;
mod worn;

use secrecy::SecretString;

pub use answer::Take;
pub(crate) use answer::{cookies, offers, value};
pub use infer::Person;
pub(crate) use login::{Call, Enrolment, LoginSource, Remake, perform, register, try_on};
pub use login::{Endpoint, Login};
pub use place::Placement;
pub(crate) use place::{without_cookie, without_query};
pub use session::{Session, Ticket};
pub use token::AuthError;
pub(crate) use token::Issued;
pub use worn::Worn;
pub(crate) use worn::is_jwt;

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
    /// A user of the target. How to sign in is inferred from the document: an operation that takes a name and a
    /// password, else the token endpoint or the Basic scheme that it declares.
    User {
        /// User.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// A login that is described.
    Login(Box<Login>),
    /// Nobody yet: the scan signs up users of its own.
    SignUp(SignUp),
    /// Several of them on each request, for example an API key beside a bearer token.
    All(Vec<Credentials>),
}

/// What a user can be made of: a word for the name, and passwords of which the target takes one.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Nobody else of the scan is called so.
    pub word: String,
    /// The strongest first.
    pub passwords: [SecretString; 3],
}

impl Credentials {
    /// What passwords are made from when users may be signed up.
    pub(crate) fn sign_up_key(&self) -> Option<&SecretString> {
        match self {
            Self::SignUp(sign_up) => Some(&sign_up.key),
            Self::All(all) => all.iter().find_map(Self::sign_up_key),
            _ => None,
        }
    }
}

/// An OAuth2 grant.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// Token endpoint; passes the target policy. `None`: the one that the document declares.
    pub token_url: Option<url::Url>,
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
    /// A refresh token to begin with, for example of an authorization-code grant that a person made.
    pub refresh_token: Option<SecretString>,
}

/// Two users that the scan makes for itself, by the operation for that which the document has. Never in safe mode.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// What the passwords are made from: at least 16 bytes that nobody can guess.
    pub key: SecretString,
    /// Sign up even if nothing says that credentials are needed: neither the document nor an operation that refuses.
    pub always: bool,
}
