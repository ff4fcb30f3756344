//! What connections of all kinds have in common: they are counted for each tenant, and they end when the key dies or the
//! server stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nat_core::{Actor, ErrorCode, TenantId};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use crate::http::App;

/// How many connections each tenant has on this node.
#[derive(Clone)]
pub(crate) struct Connections {
    max: usize,
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// A connection that counts; given back when dropped, however it ended.
pub(crate) struct Seat {
    tenant_id: TenantId,
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    /// A seat, unless the tenant has as many as it may have.
    pub(crate) fn take_seat(&self, tenant_id: &TenantId) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(tenant_id.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Seat { tenant_id: tenant_id.clone(), open: Arc::clone(&self.open) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.tenant_id) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant_id);
            }
        }
    }
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The key was revoked, rotated or has expired.
    KeyDied,
    /// The server stops; the client should come back.
    Stopping,
}

/// Keeps the actor of a connection up to date, and says when the connection has to end.
pub(crate) struct Watched {
    app: App,
    key: String,
    request_id: Option<String>,
    sender: watch::Sender<Actor>,
    ticks: Interval,
}

impl Watched {
    pub(crate) fn new(app: App, key: String, actor: Actor, sender: watch::Sender<Actor>) -> Self {
        let mut ticks = tokio::time::interval(app.facade.settings().pulse);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { app, key, request_id: actor.request_id, sender, ticks }
    }

    /// Waits until the connection has to end. Safe to be dropped and called again.
    pub(crate) async fn ended(&mut self) -> Ending {
        let stop = self.app.facade.settings().stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ending::Stopping,
                _ = self.ticks.tick() => {}
            }
            match self.app.facade.services().keys.authenticate(&self.key).await {
                Ok(actor) => {
                    let actor = Actor { request_id: self.request_id.clone(), ..actor };
                    self.sender.send_if_modified(|known| {
                        let changed = *known != actor;
                        *known = actor;
                        changed
                    });
                }
                // A database that is away says nothing about the key.
                Err(error) if error.code != ErrorCode::InvalidApiKey => {}
                Err(_) => return Ending::KeyDied,
            }
        }
    }
}
