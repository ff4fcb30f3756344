//! The prober that security checks drive: bounded, paced, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::budget::Purpose;
use super::fingerprint::CatchAll;
use super::session::Session;
use crate::check::{As, Exchange, Prober};
use crate::classify::WireTruth;
use crate::transport::{Request, Response};

/// Sends for one scan; `allow` renews what one check may use.
pub(super) struct ScanProber<'a> {
    session: &'a Session,
    catch_all: CatchAll,
    allowance: AtomicU64,
    nonces: AtomicU64,
    /// Operation and status of everything sent.
    sent: Mutex<Vec<(usize, Option<u16>)>>,
}

impl<'a> ScanProber<'a> {
    pub(super) fn new(session: &'a Session, catch_all: CatchAll) -> Self {
        Self {
            session,
            catch_all,
            allowance: AtomicU64::new(0),
            nonces: AtomicU64::new(0),
            sent: Mutex::new(Vec::new()),
        }
    }

    /// What the next check may send.
    pub(super) fn allow(&self, requests: u64) {
        self.allowance.store(requests, Ordering::Relaxed);
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
    async fn send(&self, operation: Option<usize>, mut request: Request, who: As) -> Option<Exchange> {
        if !self.has(who) {
            return None;
        }
        self.allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        // A probe without credentials must not ride on a connection that was authenticated before.
        let fresh = matches!(who, As::Anonymous | As::Garbage);
        let answer = self.session.send(who, operation, &mut request, fresh, Purpose::Probe).await?;
        let truth = operation
            .and_then(|index| self.session.api.operations.get(index))
            .map_or(WireTruth::Ambiguous, |operation| self.session.classify(operation, &request));
        let exchange = Exchange::new(None, request, answer.result, truth, answer.at).sent_as(who);
        if let Some(operation) = operation {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push((operation, exchange.status()));
        }
        Some(exchange)
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

    fn has(&self, who: As) -> bool {
        self.session.identities.has(who)
    }

    fn nonce(&self) -> String {
        nonce(self.session.seed, "probe", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    fn is_catch_all(&self, response: &Response) -> bool {
        self.catch_all.matches(response)
    }
}

/// A word that occurs nowhere else: from the seed, a purpose and a number.
pub(super) fn nonce(seed: u64, purpose: &str, number: u64) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = Sha256::digest(format!("nat-nonce|{seed}|{purpose}|{number}"));
    let word = digest.iter().take(12).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    std::iter::once("nat").flat_map(str::chars).chain(word).collect()
}
