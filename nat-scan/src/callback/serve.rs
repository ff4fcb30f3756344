//! The loop that answers, in the task of whoever runs it.

use std::convert::Infallible;
use std::time::Duration;

use futures::future::OptionFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::record::{Hit, Protocol, Reply};
use super::{Callback, dns, http};

/// Connections at once.
const MAX_CONNECTIONS: usize = 32;
/// Connections and questions in all.
const MAX_SERVED: u64 = 4_000;
const MAX_MESSAGE: usize = 512;
/// After an error of the system, so that it is not asked without end.
const BREATH: Duration = Duration::from_millis(50);

impl Callback {
    /// Answers as long as it is polled.
    pub(crate) async fn serve(&self) -> Infallible {
        let mut talks = FuturesUnordered::new();
        let mut message = [0; MAX_MESSAGE];
        let mut left = MAX_SERVED;
        loop {
            let question: OptionFuture<_> = self.socket.as_ref().map(|socket| socket.recv_from(&mut message)).into();
            tokio::select! {
                accepted = self.listener.accept(), if talks.len() < MAX_CONNECTIONS && left > 0 => {
                    left -= 1;
                    match accepted {
                        Ok((stream, peer)) => talks.push(http::converse(stream, move |asked| self.reply(asked, peer))),
                        Err(_) => sleep(BREATH).await,
                    }
                }
                Some(received) = question, if left > 0 => {
                    left -= 1;
                    match (received, &self.socket) {
                        (Ok((length, peer)), Some(socket)) => self.resolve(socket, &message[..length], peer).await,
                        _ => sleep(BREATH).await,
                    }
                }
                Some(()) = talks.next(), if !talks.is_empty() => {}
                else => std::future::pending().await,
            }
        }
    }

    fn reply(&self, asked: http::Asked, peer: std::net::SocketAddr) -> Option<Reply> {
        let (path, host) = (asked.path.clone(), asked.host.clone());
        let at = self.now.now();
        self.note(&[&path, &host], move || asked.hit(peer, at))
    }

    /// Only names of ours are answered.
    async fn resolve(&self, socket: &UdpSocket, message: &[u8], peer: std::net::SocketAddr) {
        let Some(question) = dns::read(message) else { return };
        if !self.zone.as_ref().is_some_and(|zone| question.is_below(zone)) {
            return;
        }
        let hit = || Hit {
            protocol: Protocol::Dns,
            at: self.now.now(),
            peer,
            method: question.kind(),
            path: question.name.clone(),
            headers: Vec::new(),
        };
        self.note(&[&question.name], hit);
        // Whoever asked asks again when this gets lost.
        let _ = socket.send_to(&dns::answer(&question, self.ip), peer).await;
    }
}
