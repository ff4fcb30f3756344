//! The prober that security checks drive: bounded, paced, counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::budget::Purpose;
use super::fingerprint::CatchAll;
use super::outcome::Account;
use super::passage::Passage;
use super::scope::Scope;
use super::session::{Sending, Session};
use crate::check::{As, Exchange, Prober};
use crate::classify::WireTruth;
use crate::identity::{Newcomer, Person, Worn};
use crate::spec::Operation;
use crate::transport::{Request, Response, TlsFacts, TransportError};

/// Sends for one scan; `allow` renews what one check may use.
pub(super) struct ScanProber<'a> {
    session: &'a Session,
    catch_all: CatchAll,
    /// None: nothing is left out.
    scope: Option<Scope>,
    allowance: AtomicU64,
    nonces: AtomicU64,
    /// The check that sends, and how often it sent each request.
    sender: Mutex<(&'static str, HashMap<u64, u32>)>,
    /// Operation and status of everything sent.
    sent: Mutex<Vec<(usize, Option<u16>)>>,
}

impl<'a> ScanProber<'a> {
    pub(super) fn new(session: &'a Session, catch_all: CatchAll) -> Self {
        Self {
            session,
            catch_all,
            scope: None,
            allowance: AtomicU64::new(0),
            nonces: AtomicU64::new(0),
            sender: Mutex::default(),
            sent: Mutex::new(Vec::new()),
        }
    }

    /// Knows what is left out of the scan.
    pub(super) fn within(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The same, with nonces from this number on.
    pub(super) fn counting_from(self, first: u64) -> Self {
        self.nonces.store(first, Ordering::Relaxed);
        self
    }

    /// What the next check may send.
    pub(super) fn allow(&self, requests: u64) {
        self.allowance.store(requests, Ordering::Relaxed);
    }

    /// What is sent from now on is sent by this check.
    pub(super) fn begin(&self, check: &'static str) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = (check, HashMap::new());
    }

    /// Each request of a security check is a place of its own.
    fn passage(&self, request: &Request, who: As) -> Passage {
        if !self.session.words.journal.is_kept() {
            return self.session.passage("");
        }
        let print = self.session.words.journal.print(request);
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let times = sender.1.entry(print).or_default();
        *times += 1;
        let (times, check) = (*times, sender.0);
        self.session.passage(&format!("probe {check} {who:?} {print} {times}"))
    }

    /// One exchange at a place.
    async fn send_at(
        &self,
        passage: &Passage,
        operation: Option<usize>,
        mut request: Request,
        (who, purpose): (As, Purpose),
    ) -> Option<Exchange> {
        // What a check may send is for finding things.
        let takes = u64::from(purpose == Purpose::Probe);
        self.allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(takes)).ok()?;
        let about = operation.and_then(|index| self.session.api.operations.get(index));
        if let Some(refused) = self.session.refused(&request, about, who) {
            return Some(refused);
        }
        // A probe without credentials must not ride on a connection that was authenticated before.
        let fresh = matches!(who, As::Anonymous | As::Garbage);
        let how = Sending { fresh, purpose, operation, paid: false };
        let answer = self.session.exchange(passage, &mut request, who, how).await?;
        let truth = about.map_or(WireTruth::Ambiguous, |operation| self.session.classify(operation, &request));
        let exchange = Exchange::new(None, request, answer.result, truth, answer.at).sent_as(who);
        if let Some(operation) = operation {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push((operation, exchange.status()));
        }
        Some(exchange)
    }

    /// The check used up its allowance.
    pub(super) fn is_used_up(&self) -> bool {
        self.allowance.load(Ordering::Relaxed) == 0
    }

    /// What was sent since the last call.
    pub(super) fn take_sent(&self) -> Vec<(usize, Option<u16>)> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Prober for ScanProber<'_> {
    async fn send(&self, operation: Option<usize>, request: Request, who: As) -> Option<Exchange> {
        if !self.has(who) {
            return None;
        }
        let passage = self.passage(&request, who);
        let exchange = self.send_at(&passage, operation, request, (who, Purpose::Probe)).await;
        passage.finish();
        exchange
    }

    async fn send_within(
        &self,
        limit: Duration,
        operation: Option<usize>,
        request: Request,
        who: As,
    ) -> Option<Exchange> {
        let (copy, at) = (request.clone(), self.session.line.now.now());
        match tokio::time::timeout(limit, self.send(operation, request, who)).await {
            Ok(exchange) => exchange,
            Err(_) => {
                let late = Err(TransportError::Timeout(limit));
                Some(Exchange::new(None, copy, late, WireTruth::Ambiguous, at).sent_as(who))
            }
        }
    }

    fn base_path(&self) -> &str {
        &self.session.base_path
    }

    fn origin(&self) -> &str {
        self.session.line.transport.origin()
    }

    fn tls(&self) -> bool {
        self.origin().starts_with("https://")
    }

    async fn tls_facts(&self) -> Option<TlsFacts> {
        self.session.line.transport.tls().await
    }

    fn has(&self, who: As) -> bool {
        self.session.identities.has(who)
    }

    fn nonce(&self) -> String {
        nonce(self.session.seed, "probe", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    fn word(&self) -> String {
        self.session.words.next()
    }

    fn is_catch_all(&self, response: &Response) -> bool {
        self.catch_all.matches(response)
    }

    async fn worn(&self, who: As) -> Option<Worn> {
        self.session.identities.worn(who).await
    }

    fn issued(&self, who: As) -> Vec<SecretString> {
        self.session.identities.issued(who)
    }

    fn person(&self, who: As) -> Option<Person> {
        self.session.identities.people.get(who)
    }

    fn newcomer(&self, purpose: &str) -> Option<Newcomer> {
        self.session.identities.newcomer(purpose)
    }

    fn signed_up(&self, who: &Person, by: &Operation) {
        self.session.identities.accounts.add(Account {
            username: who.username().to_owned(),
            made_by: by.endpoint(),
            identity: As::Anonymous,
        });
    }

    fn hide(&self, secret: &SecretString) {
        self.session.identities.hide(secret);
    }

    fn may_call(&self, operation: usize) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.left_out(operation).is_none())
    }
}

/// A prober whose requests belong to one place at a time: those of a check on a resource, which count only together.
pub(super) struct Lane<'a> {
    prober: &'a ScanProber<'a>,
    place: Mutex<(Arc<Passage>, Purpose)>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(prober: &'a ScanProber<'a>, description: &str) -> Self {
        Self { prober, place: Mutex::new((Arc::new(prober.session.passage(description)), Purpose::Probe)) }
    }

    fn place(&self) -> (Arc<Passage>, Purpose) {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&place.0), place.1)
    }

    fn passage(&self) -> Arc<Passage> {
        self.place().0
    }

    /// Comes to another place, for this purpose.
    pub(super) fn enter(&self, description: &str, purpose: Purpose) {
        let next = Arc::new(self.prober.session.passage(description));
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = (next, purpose);
    }

    /// The place is done.
    pub(super) fn leave(&self) {
        if !self.prober.session.line.cancel.is_cancelled() {
            self.passage().finish();
        }
    }
}

#[async_trait]
impl Prober for Lane<'_> {
    async fn send(&self, operation: Option<usize>, request: Request, who: As) -> Option<Exchange> {
        // Sequences are about what becomes of things, whoever made them: an API that knows no users has them, too.
        if who != As::Primary && !self.has(who) {
            return None;
        }
        let (passage, purpose) = self.place();
        self.prober.send_at(&passage, operation, request, (who, purpose)).await
    }

    fn base_path(&self) -> &str {
        self.prober.base_path()
    }

    fn origin(&self) -> &str {
        self.prober.origin()
    }

    fn tls(&self) -> bool {
        self.prober.tls()
    }

    fn has(&self, who: As) -> bool {
        self.prober.has(who)
    }

    fn nonce(&self) -> String {
        self.prober.nonce()
    }

    fn is_catch_all(&self, response: &Response) -> bool {
        self.prober.is_catch_all(response)
    }

    fn word(&self) -> String {
        self.passage().word()
    }

    async fn pause(&self, time: Duration) {
        if !self.passage().is_ahead() {
            tokio::time::sleep(time).await;
        }
    }
}

/// A word that occurs nowhere else: from the seed, a purpose and a number.
pub(super) fn nonce(seed: u64, purpose: &str, number: u64) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = Sha256::digest(format!("nat-nonce|{seed}|{purpose}|{number}"));
    let word = digest.iter().take(12).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    std::iter::once("nat").flat_map(str::chars).chain(word).collect()
}
