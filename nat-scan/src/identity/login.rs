//! Logins: one request, a token or cookies from its answer, and a new sign-up when the target forgot the user.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::answer::{Taken, take};
use super::token::{AuthError, Obtain};
use super::{Person, Placement, Take};
use crate::transport::fetch::PolicyFetcher;
use crate::transport::{Request, Response};

/// The answer of a login is small.
const MAX_ANSWER: usize = 256 << 10;
/// How often one identity signs up anew: a target that forgets everything again and again is left to itself.
const MAX_SIGN_UPS: u32 = 8;

/// Where a login is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Path and query on the target's origin.
    Path(String),
    /// Elsewhere; passes the target policy.
    Url(Url),
}

/// A login as somebody describes it: what is sent, and what becomes of the answer.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where.
    pub endpoint: Endpoint,
    /// Upper case.
    pub method: String,
    /// `Content-Type` among them.
    pub headers: Vec<(String, SecretString)>,
    /// As it is sent.
    pub body: Option<SecretString>,
    /// What of it is never shown, for example the password as it was before it was encoded.
    pub secrets: Vec<SecretString>,
    /// Where in the answer the token stands.
    pub take: Take,
    /// Where on requests it goes.
    pub placement: Placement,
}

impl Login {
    /// The request, for a target of this base URL; none when the path makes no URL.
    pub(super) fn call(&self, target: &Url) -> Option<Call> {
        let url = match &self.endpoint {
            Endpoint::Path(path) => target.join(path).ok()?,
            Endpoint::Url(url) => url.clone(),
        };
        let mut request = Request::new(self.method.clone(), String::new());
        request.headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().as_bytes().to_vec()))
            .collect();
        request.body = self.body.as_ref().map(|body| Bytes::copy_from_slice(body.expose_secret().as_bytes()));
        Some(Call { url, request })
    }

    pub(super) fn secrets(&self) -> Vec<SecretString> {
        self.secrets.iter().chain(self.headers.iter().map(|(_, value)| value)).cloned().collect()
    }
}

/// A request and where it goes; the target in it is that of the URL.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) url: Url,
    pub(crate) request: Request,
}

/// `POST /login`: nothing of headers and body, nor of the query.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.request.method, self.url.path())
    }
}

/// Sends it; any answer will do.
pub(crate) async fn perform(fetcher: &PolicyFetcher, call: &Call) -> Result<Response, AuthError> {
    let answer = fetcher.send(&call.url, call.request.clone(), MAX_ANSWER).await;
    answer.map_err(|error| AuthError(format!("{call}: {error}")))
}

/// A user to make, and how to sign in as that user.
#[derive(Clone)]
pub(crate) struct Enrolment {
    pub(crate) person: Person,
    /// Requests that may make the user; the first that succeeds did.
    pub(crate) register: Vec<Call>,
    pub(crate) login: Call,
}

/// The user of that number: 0 is the first.
pub(crate) type Remake = Arc<dyn Fn(u32) -> Option<Enrolment> + Send + Sync>;

/// Signs in, and up if need be.
pub(crate) struct LoginSource {
    fetcher: Arc<PolicyFetcher>,
    call: Mutex<Call>,
    take: Take,
    secrets: Vec<SecretString>,
    remake: Option<Remake>,
    /// The number of the present user.
    user: AtomicU32,
    sign_ups: AtomicU32,
    /// What the login gave that the engine tried out.
    first: Mutex<Option<Taken>>,
    /// Told each user that is made.
    made: Arc<dyn Fn(&Person) + Send + Sync>,
}

impl LoginSource {
    pub(crate) fn new(fetcher: Arc<PolicyFetcher>, call: Call, take: Take, secrets: Vec<SecretString>) -> Self {
        Self {
            fetcher,
            call: Mutex::new(call),
            take,
            secrets,
            remake: None,
            user: AtomicU32::new(0),
            sign_ups: AtomicU32::new(0),
            first: Mutex::new(None),
            made: Arc::new(|_| {}),
        }
    }

    /// Makes the user again when the target does not know it any more; `made` is told.
    #[must_use]
    pub(crate) fn remade_by(mut self, remake: Remake, made: Arc<dyn Fn(&Person) + Send + Sync>) -> Self {
        (self.remake, self.made) = (Some(remake), made);
        self
    }

    /// Begins with what this answer gives.
    #[must_use]
    pub(crate) fn primed(self, response: &Response) -> Self {
        let first = take(response, &self.take).ok();
        Self { first: Mutex::new(first), ..self }
    }

    async fn login(&self) -> Result<Taken, Denial> {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = perform(&self.fetcher, &call).await.map_err(Denial::Silent)?;
        match response.status {
            200..400 => take(&response, &self.take).map_err(Denial::Refused),
            status @ (429 | 500..) => Err(Denial::Silent(AuthError(format!("{call} answered {status}")))),
            status => Err(Denial::Refused(AuthError(format!("{call} answered {status}")))),
        }
    }

    /// The same user again if it may be, else the next one.
    async fn sign_up(&self, remake: &Remake) -> Option<Taken> {
        let now = self.user.load(Ordering::Relaxed);
        for number in [now, now + 1] {
            if self.sign_ups.fetch_add(1, Ordering::Relaxed) >= MAX_SIGN_UPS {
                return None;
            }
            let enrolment = remake(number)?;
            if register(&self.fetcher, &enrolment).await.is_err() {
                continue;
            }
            (self.made)(&enrolment.person);
            *self.call.lock().unwrap_or_else(PoisonError::into_inner) = enrolment.login;
            self.user.store(number, Ordering::Relaxed);
            if let Ok(taken) = self.login().await {
                return Some(taken);
            }
        }
        None
    }
}

/// Why there is no token.
enum Denial {
    /// The target said no.
    Refused(AuthError),
    /// It said nothing of the user.
    Silent(AuthError),
}

#[async_trait]
impl Obtain for LoginSource {
    async fn obtain(&self) -> Result<Taken, AuthError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first {
            return Ok(first);
        }
        match (self.login().await, &self.remake) {
            (Ok(taken), _) => Ok(taken),
            (Err(Denial::Refused(error)), Some(remake)) => self.sign_up(remake).await.ok_or(error),
            (Err(Denial::Refused(error) | Denial::Silent(error)), _) => Err(error),
        }
    }

    fn secrets(&self) -> Vec<SecretString> {
        self.secrets.clone()
    }
}

/// Puts what an answer gives on a request, to see whether it is accepted there; false when it gives none.
pub(crate) fn try_on(response: &Response, what: &Take, placement: &Placement, request: &mut Request) -> bool {
    let taken = take(response, what);
    if let Ok(taken) = &taken {
        placement.put(request, taken.value.expose_secret());
    }
    taken.is_ok()
}

/// Makes the user.
///
/// # Errors
/// What the last try was answered.
pub(crate) async fn register(fetcher: &PolicyFetcher, enrolment: &Enrolment) -> Result<Response, AuthError> {
    let mut refused = AuthError("no request that signs up could be written".to_owned());
    for call in &enrolment.register {
        let response = perform(fetcher, call).await?;
        match response.status {
            200..400 => return Ok(response),
            status => refused = AuthError(format!("{call} answered {status}")),
        }
    }
    Err(refused)
}
