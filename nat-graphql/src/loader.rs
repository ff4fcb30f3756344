//! One statement for many objects: what the resolvers of one request ask for at the same time is read together.
//!
//! A loader belongs to one request and one actor: nothing is shared between tenants, and nothing is kept.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use async_graphql::dataloader::{DataLoader, Loader};
use nat_core::page::{Window, WindowRequest};
use nat_core::{Actor, ScanId};
use nat_scan::engine::Outcome;
use nat_scan::finding::Finding;
use nat_scan::service::{FindingFilter, FindingId, Scan, ScanFinding, Scans};
use tokio::task::JoinSet;

use crate::error::WireError;

/// Reads for one actor.
pub(crate) struct Loaders {
    scans: Scans,
    actor: Actor,
}

impl Loaders {
    /// The loader of one request. What it reads ends with it: a client that goes away leaves no statement behind.
    pub(crate) fn of_request(scans: Scans, actor: Actor) -> DataLoader<Self> {
        let tasks = Mutex::new(JoinSet::new());
        DataLoader::new(Self { scans, actor }, move |load| {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(load);
        })
    }
}

/// Keys in groups that one statement can answer.
fn grouped<K, G: PartialEq>(keys: &[K], group: impl Fn(&K) -> G) -> Vec<(G, Vec<&K>)> {
    let mut groups: Vec<(G, Vec<&K>)> = Vec::new();
    for key in keys {
        let group = group(key);
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, members)) => members.push(key),
            None => groups.push((group, vec![key])),
        }
    }
    groups
}

impl Loader<ScanId> for Loaders {
    type Value = Scan;
    type Error = WireError;

    async fn load(&self, keys: &[ScanId]) -> Result<HashMap<ScanId, Scan>, WireError> {
        let scans = self.scans.find_many(&self.actor, keys).await?;
        Ok(scans.into_iter().map(|scan| (scan.id.clone(), scan)).collect())
    }
}

/// The findings of one scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FindingsOf {
    pub(crate) scan_id: ScanId,
    pub(crate) filter: FindingFilter,
    pub(crate) request: WindowRequest,
}

// Equal keys have equal scans, which tell nearly all keys of one request apart.
impl Hash for FindingsOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scan_id.hash(state);
    }
}

impl Loader<FindingsOf> for Loaders {
    type Value = Window<ScanFinding>;
    type Error = WireError;

    async fn load(&self, keys: &[FindingsOf]) -> Result<HashMap<FindingsOf, Self::Value>, WireError> {
        let mut found = HashMap::new();
        for ((filter, request), keys) in grouped(keys, |key| (key.filter.clone(), key.request.clone())) {
            let ids: Vec<ScanId> = keys.iter().map(|key| key.scan_id.clone()).collect();
            let mut windows = self.scans.findings_of(&self.actor, &ids, &filter, &request).await?;
            found.extend(keys.into_iter().filter_map(|key| Some((key.clone(), windows.remove(&key.scan_id)?))));
        }
        Ok(found)
    }
}

/// How many findings one scan has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FindingCountOf {
    pub(crate) scan_id: ScanId,
    pub(crate) filter: FindingFilter,
}

impl Hash for FindingCountOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scan_id.hash(state);
    }
}

impl Loader<FindingCountOf> for Loaders {
    type Value = u64;
    type Error = WireError;

    async fn load(&self, keys: &[FindingCountOf]) -> Result<HashMap<FindingCountOf, u64>, WireError> {
        let mut found = HashMap::new();
        for (filter, keys) in grouped(keys, |key| key.filter.clone()) {
            let ids: Vec<ScanId> = keys.iter().map(|key| key.scan_id.clone()).collect();
            let counts = self.scans.count_findings_of(&self.actor, &ids, &filter).await?;
            found.extend(keys.into_iter().map(|key| (key.clone(), counts.get(&key.scan_id).copied().unwrap_or(0))));
        }
        Ok(found)
    }
}

impl Loader<FindingId> for Loaders {
    type Value = Finding;
    type Error = WireError;

    async fn load(&self, keys: &[FindingId]) -> Result<HashMap<FindingId, Finding>, WireError> {
        Ok(self.scans.details(&self.actor, keys).await?)
    }
}

/// The outcome of one scan, without findings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OutlineOf(pub(crate) ScanId);

impl Loader<OutlineOf> for Loaders {
    type Value = Outcome;
    type Error = WireError;

    async fn load(&self, keys: &[OutlineOf]) -> Result<HashMap<OutlineOf, Outcome>, WireError> {
        let ids: Vec<ScanId> = keys.iter().map(|OutlineOf(id)| id.clone()).collect();
        let outlines = self.scans.outlines(&self.actor, &ids).await?;
        Ok(outlines.into_iter().map(|(id, outcome)| (OutlineOf(id), outcome)).collect())
    }
}
