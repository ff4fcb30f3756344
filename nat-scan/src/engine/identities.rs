//! The users of a scan, ready to be put onto requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::ScanConfig;
use super::enrol::passwords;
use super::outcome::Account;
use super::probe::nonce;
use crate::check::As;
use crate::finding::Redactor;
use crate::identity::{AuthError, Credentials, Issued, Newcomer, Person, Session, Ticket, Worn};
use crate::transport::Request;
use crate::transport::fetch::PolicyFetcher;

/// New tokens in a row that one operation refused: its 401 is about something else.
const MAX_REFUSED: usize = 3;
/// New tokens in a row that were refused at all; an API that answers 401 to everything must not make us hammer its login.
const MAX_IN_VAIN: usize = 8;

/// Tokens that were new and refused all the same.
#[derive(Default)]
struct InVain {
    /// An operation, each token once: many requests may be under way at the same time.
    operations: HashMap<(As, Option<usize>), Vec<Ticket>>,
    /// Since one helped.
    in_row: usize,
}

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

/// Users whose names and passwords are known. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct People(Arc<Mutex<HashMap<As, Person>>>);

impl People {
    pub(super) fn set(&self, who: As, person: Person) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(who, person);
    }

    pub(super) fn get(&self, who: As) -> Option<Person> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&who).cloned()
    }
}

/// Where users come from that a check makes for itself.
struct Nursery {
    key: SecretString,
    scan_id: String,
    seed: u64,
}

impl Nursery {
    /// None in safe mode, and unless the scan was told that it may sign up users.
    fn of(config: &ScanConfig) -> Option<Self> {
        let given = [Some(&config.credentials), config.second_credentials.as_ref()];
        let key = given.into_iter().flatten().find_map(Credentials::sign_up_key);
        let key = key.filter(|_| !config.safe_mode)?.clone();
        Some(Self { key, scan_id: config.scan_id.clone(), seed: config.seed })
    }

    fn newcomer(&self, purpose: &str) -> Newcomer {
        let Self { key, scan_id, seed } = self;
        let digest = Sha256::digest(format!("{}|{scan_id}|{purpose}|password", key.expose_secret()));
        let word = nonce(*seed, &format!("{scan_id} {purpose}"), 0);
        Newcomer { word, passwords: passwords(&hex::encode(digest)) }
    }
}

/// Who the scan can be.
pub(super) struct Identities {
    pub(super) primary: Session,
    pub(super) second: Option<Session>,
    pub(super) admin: Option<Session>,
    pub(super) accounts: Accounts,
    pub(super) people: People,
    nursery: Option<Nursery>,
    /// What checks made up and nobody may see.
    hidden: Issued,
    in_vain: Mutex<InVain>,
}

impl Identities {
    pub(super) fn new(config: &ScanConfig, fetcher: &Arc<PolicyFetcher>) -> Self {
        let session = |credentials: &Credentials| Session::new(credentials.clone(), Arc::clone(fetcher));
        Self {
            primary: session(&config.credentials),
            second: config.second_credentials.as_ref().map(session),
            admin: config.admin_credentials.as_ref().map(session),
            accounts: Accounts::default(),
            people: People::default(),
            nursery: Nursery::of(config),
            hidden: Issued::default(),
            in_vain: Mutex::default(),
        }
    }

    /// Gets every identity ready: tokens are obtained now, so that a wrong secret ends the scan before it begins.
    pub(super) async fn sign_in(&self) -> Result<(), AuthError> {
        for session in std::iter::once(&self.primary).chain(&self.second).chain(&self.admin) {
            session.apply(&mut Request::new("GET", "/")).await?;
        }
        Ok(())
    }

    pub(super) const fn has(&self, who: As) -> bool {
        match who {
            As::Primary | As::Garbage => self.primary.is_authenticated(),
            As::Second => self.second.is_some(),
            As::Admin => self.admin.is_some(),
            As::Anonymous => true,
        }
    }

    const fn session(&self, who: As) -> Option<&Session> {
        match who {
            As::Primary => Some(&self.primary),
            As::Second => self.second.as_ref(),
            As::Admin => self.admin.as_ref(),
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
        let is_of_use = {
            let in_vain = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
            let refused = in_vain.operations.get(&(who, operation)).map_or(0, Vec::len);
            refused < MAX_REFUSED && in_vain.in_row < MAX_IN_VAIN
        };
        is_of_use && session.renew(ticket).await
    }

    /// What became of the request with a new token.
    pub(super) fn renewed(&self, who: As, operation: Option<usize>, ticket: &Ticket, helped: bool) {
        let mut in_vain = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        if helped {
            in_vain.in_row = 0;
            in_vain.operations.remove(&(who, operation));
            return;
        }
        let refused = in_vain.operations.entry((who, operation)).or_default();
        if !refused.contains(ticket) {
            refused.push(ticket.clone());
            in_vain.in_row += 1;
        }
    }

    /// What requests of this user carry now.
    pub(super) async fn worn(&self, who: As) -> Option<Worn> {
        self.session(who)?.worn().await
    }

    /// Tokens that this user got, the oldest first.
    pub(super) fn issued(&self, who: As) -> Vec<SecretString> {
        let issued = self.session(who).map(Session::issued).unwrap_or_default();
        issued.iter().flat_map(Issued::all).collect()
    }

    /// Somebody who may be signed up.
    pub(super) fn newcomer(&self, purpose: &str) -> Option<Newcomer> {
        self.nursery.as_ref().map(|nursery| nursery.newcomer(purpose))
    }

    /// Hides this from now on.
    pub(super) fn hide(&self, secret: &SecretString) {
        let known = |one: &SecretString| one.expose_secret() == secret.expose_secret();
        if !self.hidden.all().iter().any(known) {
            self.hidden.add(secret.clone());
        }
    }

    /// Hides what must not be seen.
    pub(super) fn redactor(&self, config: &ScanConfig) -> Redactor {
        let mut redactor = Redactor::new();
        redactor.renewed(self.hidden.clone(), "NAT_SECRET");
        let users = [
            (Some(&config.credentials), Some(&self.primary), ""),
            (config.second_credentials.as_ref(), self.second.as_ref(), "_2"),
            (config.admin_credentials.as_ref(), self.admin.as_ref(), "_ADMIN"),
        ];
        for (credentials, session, suffix) in users {
            if let Some(credentials) = credentials {
                redactor.credentials(credentials, suffix);
            }
            let variable = format!("NAT_TOKEN{suffix}");
            let Some(session) = session else { continue };
            for secret in session.secrets() {
                redactor.secret(secret.expose_secret(), &variable);
            }
            redactor.carriers(session.credential_headers(), session.credential_queries());
            session.issued().into_iter().for_each(|issued| redactor.renewed(issued, &variable));
        }
        redactor
    }
}
