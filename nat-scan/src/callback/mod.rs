//! A listener of the scan's own. A target that asks it for something makes requests for whoever tells it to.
//!
//! One socket for HTTP and one for DNS, both on the same number of port, open while security checks run. Nothing that
//! comes in is trusted, everything is bounded, and only what was announced before is answered and remembered.

mod address;
mod dns;
mod http;
mod record;
mod serve;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::engine::Now;
use record::State;

pub use address::{AddressError, CallbackAddress};
pub use record::{Hit, Protocol, Reply};

/// How long a check waits for what a target may ask a little later.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Names below it lead to a listener on loopback; a target finds it only when its resolver asks the listener.
const LOCAL_ZONE: &str = "callback.test";

/// An open listener with what came in.
pub struct Callback {
    listener: TcpListener,
    socket: Option<UdpSocket>,
    /// As targets write it, without port.
    host: String,
    port: u16,
    /// What the answer to a question for a name is.
    ip: Option<IpAddr>,
    zone: Option<String>,
    /// Makes words differ between beginnings of a scan that was resumed: what was asked then is not asked again.
    suffix: String,
    patience: Duration,
    now: Arc<dyn Now>,
    state: Mutex<State>,
    news: Notify,
}

impl Callback {
    /// Listens there; `epoch` counts the beginnings of the scan.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(address: &CallbackAddress, now: Arc<dyn Now>, epoch: u32) -> std::io::Result<Self> {
        let literal: Option<IpAddr> = address.host.parse().ok();
        let (listener, socket) = address::bind(literal, address.port).await?;
        let port = listener.local_addr()?.port();
        let ip = match literal {
            Some(ip) => Some(ip),
            None => address::resolve(&address.host, port).await,
        };
        let host = match literal {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => address.host.clone(),
        };
        let zone = match literal {
            Some(ip) => ip.is_loopback().then(|| LOCAL_ZONE.to_owned()),
            None => Some(address.host.to_ascii_lowercase()),
        };
        let suffix = if epoch == 0 { String::new() } else { format!("e{epoch}") };
        let (state, news) = (Mutex::default(), Notify::new());
        Ok(Self { listener, socket, host, port, ip, zone, suffix, patience: PATIENCE, now, state, news })
    }

    #[cfg(test)]
    pub(crate) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where the word is asked for by address.
    pub(crate) fn url(&self, word: &str) -> String {
        format!("http://{}:{}/{word}", self.host, self.port)
    }

    /// Where it is asked for by a name of its own: to look the name up shows as much. None without a zone.
    pub(crate) fn named_url(&self, word: &str) -> Option<String> {
        Some(format!("http://{}/{word}", self.name(word)?))
    }

    /// The name with port.
    fn name(&self, word: &str) -> Option<String> {
        Some(format!("{word}.{}:{}", self.zone.as_ref()?, self.port))
    }

    /// The name for where a host is wanted: without port if its zone is a real one.
    pub(crate) fn host(&self, word: &str) -> Option<String> {
        let name = self.name(word)?;
        if self.zone.as_deref() == Some(LOCAL_ZONE) { Some(name) } else { name.split(':').next().map(str::to_owned) }
    }

    /// The listener is in a network of the target's own: no stranger should make it ask there.
    pub(crate) fn is_internal(&self) -> bool {
        match self.ip {
            Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
            None => false,
        }
    }

    /// From now on the word is answered and remembered. Made from a nonce; what comes back is the word.
    pub(crate) fn announce(&self, nonce: &str, reply: Reply) -> String {
        let word = format!("{nonce}{}", self.suffix).to_ascii_lowercase();
        self.state().announce(word.clone(), reply);
        word
    }

    /// What came for the word.
    pub(crate) fn hits(&self, word: &str) -> Vec<Hit> {
        self.state().hits(word)
    }

    /// Waits for all of the words, as long as it pays.
    pub(crate) async fn wait(&self, words: &[&str]) {
        let deadline = Instant::now() + self.patience;
        loop {
            let news = self.news.notified();
            let missing = {
                let state = self.state();
                words.iter().any(|word| !state.is_hit(word))
            };
            if !missing || timeout_at(deadline, news).await.is_err() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what came in, if its word was announced: what it is answered with.
    fn note(&self, texts: &[&str], hit: impl FnOnce() -> Hit) -> Option<Reply> {
        let reply = self.state().note(texts, hit);
        if reply.is_some() {
            self.news.notify_waiters();
        }
        reply
    }
}
