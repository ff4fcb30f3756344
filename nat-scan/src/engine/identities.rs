//! The users of a scan, ready to be put onto requests.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret;

use super::outcome::Account;
use crate::check::As;
use crate::finding::Redactor;
use crate::identity::{AuthError, Credentials, Session, Ticket};
use crate::transport::Request;
use crate::transport::fetch::PolicyFetcher;

/// Renewals that did not help; an API that answers 401 to everything must not make us hammer its login.
const MAX_IN_VAIN: u32 = 5;

/// Users that the scan made, in order. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Accounts(Arc<Mutex<Vec<Account>>>);

impl Accounts {
    pub(super) fn add(&self, account: Account) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }

    pub(super) fn all(&self) -> Vec<Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Who the scan can be.
pub(super) struct Identities {
    pub(super) primary: Session,
    pub(super) second: Option<Session>,
    pub(super) accounts: Accounts,
    in_vain: AtomicU32,
    /// Operations that refused a new token: their 401 is about something else.
    stubborn: Mutex<HashSet<(As, usize)>>,
}

impl Identities {
    pub(super) fn new(primary: &Credentials, second: Option<&Credentials>, fetcher: &Arc<PolicyFetcher>) -> Self {
        let session = |credentials: &Credentials| Session::new(credentials.clone(), Arc::clone(fetcher));
        Self {
            primary: session(primary),
            second: second.map(session),
            accounts: Accounts::default(),
            in_vain: AtomicU32::new(0),
            stubborn: Mutex::default(),
        }
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

    const fn session(&self, who: As) -> Option<&Session> {
        match who {
            As::Primary => Some(&self.primary),
            As::Second => self.second.as_ref(),
            As::Anonymous | As::Garbage => None,
        }
    }

    /// Puts the credentials of `who` on a request. When no token can be had the request goes without: the answer then
    /// shows that.
    pub(super) async fn apply(&self, who: As, request: &mut Request) -> Ticket {
        if who == As::Garbage {
            self.primary.apply_garbage(request);
        }
        let Some(session) = self.session(who) else { return Ticket::default() };
        session.apply(request).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "no token for a request");
            Ticket::default()
        })
    }

    /// The target refused who sent this ticket. True when there is another token to try.
    pub(super) async fn renew(&self, who: As, operation: Option<usize>, ticket: &Ticket) -> bool {
        let Some(session) = self.session(who) else { return false };
        let is_stubborn = operation.is_some_and(|operation| {
            self.stubborn.lock().unwrap_or_else(PoisonError::into_inner).contains(&(who, operation))
        });
        let tired = self.in_vain.load(Ordering::Relaxed) >= MAX_IN_VAIN;
        !is_stubborn && !tired && session.renew(ticket).await
    }

    /// The new token was refused as well.
    pub(super) fn was_in_vain(&self, who: As, operation: Option<usize>) {
        let known = operation.is_some_and(|operation| {
            !self.stubborn.lock().unwrap_or_else(PoisonError::into_inner).insert((who, operation))
        });
        // Many requests of one operation may be under way at once.
        if !known {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
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
            let Some(session) = session else { continue };
            for secret in session.secrets() {
                redactor.secret(secret.expose_secret(), variable);
            }
            redactor.carriers(session.credential_headers(), session.credential_queries());
            session.issued().into_iter().for_each(|issued| redactor.renewed(issued, variable));
        }
        redactor
    }
}
