//! The users of a scan, ready to be put onto requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::ExposeSecret;

use crate::check::As;
use crate::finding::Redactor;
use crate::identity::{AuthError, Credentials, Session};
use crate::transport::Request;
use crate::transport::fetch::PolicyFetcher;

/// Refused tokens that are renewed; an API that answers 401 to everything must not make us hammer its token endpoint.
const MAX_RENEWALS: u32 = 5;

/// Who the scan can be.
pub(super) struct Identities {
    primary: Session,
    second: Option<Session>,
    renewals: AtomicU32,
}

impl Identities {
    pub(super) fn new(primary: &Credentials, second: Option<&Credentials>, fetcher: &Arc<PolicyFetcher>) -> Self {
        let session = |credentials: &Credentials| Session::new(credentials.clone(), Arc::clone(fetcher));
        Self { primary: session(primary), second: second.map(session), renewals: AtomicU32::new(0) }
    }

    /// Gets every identity ready: tokens are obtained now, so that a wrong secret ends the scan before it begins.
    pub(super) async fn sign_in(&self) -> Result<(), AuthError> {
        for session in std::iter::once(&self.primary).chain(&self.second) {
            session.apply(&mut Request::new("GET", "/")).await?;
        }
        Ok(())
    }

    pub(super) const fn has(&self, who: As) -> bool {
        match who {
            As::Primary | As::Garbage => self.primary.is_authenticated(),
            As::Second => self.second.is_some(),
            As::Anonymous => true,
        }
    }

    /// Puts the credentials of `who` on a request. When no token can be had the request goes without: the answer then
    /// shows that.
    pub(super) async fn apply(&self, who: As, request: &mut Request) {
        let applied = match (who, &self.second) {
            (As::Primary, _) => self.primary.apply(request).await,
            (As::Second, Some(second)) => second.apply(request).await,
            (As::Garbage, _) => {
                self.primary.apply_garbage(request);
                Ok(())
            }
            (As::Second, None) | (As::Anonymous, _) => Ok(()),
        };
        if let Err(error) = applied {
            tracing::debug!(%error, "no token for a request");
        }
    }

    /// The target refused the primary identity.
    pub(super) fn refused(&self) {
        if self.renewals.fetch_add(1, Ordering::Relaxed) < MAX_RENEWALS {
            self.primary.invalidate();
        }
    }

    /// Hides what must not be seen.
    pub(super) fn redactor(&self, primary: &Credentials, second: Option<&Credentials>) -> Redactor {
        let mut redactor = Redactor::new();
        redactor.credentials(primary, "");
        if let Some(second) = second {
            redactor.credentials(second, "_2");
        }
        for (session, variable) in [(Some(&self.primary), "NAT_TOKEN"), (self.second.as_ref(), "NAT_TOKEN_2")] {
            for secret in session.iter().flat_map(|session| session.secrets()) {
                redactor.secret(secret.expose_secret(), variable);
            }
        }
        redactor
    }
}
