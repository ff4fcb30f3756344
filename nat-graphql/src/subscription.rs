//! Subscriptions: news of a use case, found by asking for it again.
//!
//! Every pulse calls the service method that a query calls, as the actor of that moment: what is sent never goes past
//! the rights of the key, and a scan that runs on another node is seen like one on this. Only changes are sent.

use std::collections::HashSet;

use async_graphql::{Context, ID, Subscription as SubscriptionRoot};
use futures::Stream;
use futures::stream;
use nat_core::page::{MAX_WINDOW, WindowRequest};
use nat_core::usage::UsageAlert;
use nat_core::{Error, ScanId};
use nat_scan::service::{FindingFilter, Scan, ScanFinding, ScanStatus};
use tokio::time::{Interval, MissedTickBehavior};

use crate::cost::POINT;
use crate::error::WireError;
use crate::facade::Services;
use crate::object::{FindingObject, ScanObject, UsageAlertObject};
use crate::relay::scan_id;
use crate::settings::Settings;
use crate::viewer::Session;

pub(crate) struct Subscription;

/// The root of all subscriptions.
#[SubscriptionRoot]
impl Subscription {
    /// How far a scan is: now, at each change, and at its end, with which it completes. Scope `scans:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn scan_progress(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The global id of the scan, or the id that REST shows.")] id: ID,
    ) -> Result<impl Stream<Item = Result<ScanObject, WireError>> + use<>, WireError> {
        let follower = Follower::of(context, scan_id(&id));
        follower.scan().await?;
        Ok(stream::unfold(Some((follower, None)), |state| async move {
            let (mut follower, last) = state?;
            match follower.next_change(last.as_ref()).await {
                Ok(scan) => {
                    let rest = is_alive(&scan).then(|| (follower, Some(scan.clone())));
                    Some((Ok(scan.into()), rest))
                }
                Err(error) => Some((Err(error.into()), None)),
            }
        }))
    }

    /// Each finding of a scan once: those that are there first, then each as it is found; completes with the scan.
    /// Scope `scans:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn scan_findings(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The global id of the scan, or the id that REST shows.")] id: ID,
    ) -> Result<impl Stream<Item = Result<FindingObject, WireError>> + use<>, WireError> {
        let follower = Follower::of(context, scan_id(&id));
        follower.scan().await?;
        let collector = Collector { follower, seen: HashSet::new(), ready: Vec::new(), ended: false };
        Ok(stream::unfold(Some(collector), |state| async move {
            let mut collector = state?;
            match collector.next().await {
                Ok(found) => found.map(|finding| (Ok(finding.into()), Some(collector))),
                Err(error) => Some((Err(error.into()), None)),
            }
        }))
    }

    /// Thresholds of the quotas that are crossed from now on. Scope `usage:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn usage_alerts(
        &self,
        context: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<UsageAlertObject, WireError>> + use<>, WireError> {
        let mut watcher = AlertWatcher::of(context);
        // What is there already is no news.
        watcher.unseen().await?;
        Ok(stream::unfold(Some(watcher), |state| async move {
            let mut watcher = state?;
            match watcher.next().await {
                Ok(alert) => Some((Ok(alert.into()), Some(watcher))),
                Err(error) => Some((Err(error.into()), None)),
            }
        }))
    }
}

/// Asks again and again, as whoever asks at that moment.
struct Pulse {
    services: Services,
    session: Session,
    ticks: Interval,
}

impl Pulse {
    fn of(context: &Context<'_>) -> Self {
        let mut ticks = tokio::time::interval(context.data_unchecked::<Settings>().pulse);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (services, session) = (context.data_unchecked(), context.data_unchecked());
        Self { services: Services::clone(services), session: Session::clone(session), ticks }
    }
}

struct Follower {
    pulse: Pulse,
    id: ScanId,
}

impl Follower {
    fn of(context: &Context<'_>, id: ScanId) -> Self {
        Self { pulse: Pulse::of(context), id }
    }

    async fn scan(&self) -> Result<Scan, Error> {
        self.pulse.services.scans.get(&self.pulse.session.actor(), &self.id).await
    }

    /// The scan as soon as it differs from `last`.
    async fn next_change(&mut self, last: Option<&Scan>) -> Result<Scan, Error> {
        loop {
            self.pulse.ticks.tick().await;
            let scan = self.scan().await?;
            if last != Some(&scan) {
                return Ok(scan);
            }
        }
    }
}

fn is_alive(scan: &Scan) -> bool {
    matches!(scan.status, ScanStatus::Queued | ScanStatus::Running)
}

/// The findings of a scan, each once. A scan keeps a bounded number of them.
struct Collector {
    follower: Follower,
    seen: HashSet<String>,
    /// Not sent yet, the next one last.
    ready: Vec<ScanFinding>,
    ended: bool,
}

impl Collector {
    async fn next(&mut self) -> Result<Option<ScanFinding>, Error> {
        loop {
            if let Some(finding) = self.ready.pop() {
                return Ok(Some(finding));
            }
            if self.ended {
                return Ok(None);
            }
            self.follower.pulse.ticks.tick().await;
            // Asked before the findings: what is written with the end is seen.
            let ended = !is_alive(&self.follower.scan().await?);
            self.collect().await?;
            self.ended = ended;
        }
    }

    async fn collect(&mut self) -> Result<(), Error> {
        let Follower { pulse, id } = &self.follower;
        let mut request = WindowRequest { first: MAX_WINDOW, after: None };
        loop {
            let actor = pulse.session.actor();
            let filter = FindingFilter::default();
            let found = pulse.services.scans.findings_of(&actor, std::slice::from_ref(id), &filter, &request).await;
            let Some(window) = found?.remove(id) else { break };
            request.after = window.rows.last().map(|(cursor, _)| cursor.clone());
            let new = window.rows.into_iter().map(|(_, finding)| finding);
            self.ready.extend(new.filter(|finding| self.seen.insert(finding.id.fingerprint.clone())));
            if !window.has_next {
                break;
            }
        }
        self.ready.reverse();
        Ok(())
    }
}

/// Alerts that were not there before. There are a few in a period.
struct AlertWatcher {
    pulse: Pulse,
    seen: HashSet<String>,
    /// Not sent yet, the next one last.
    ready: Vec<UsageAlert>,
}

impl AlertWatcher {
    fn of(context: &Context<'_>) -> Self {
        Self { pulse: Pulse::of(context), seen: HashSet::new(), ready: Vec::new() }
    }

    /// The newest alerts that were not seen, the newest first.
    async fn unseen(&mut self) -> Result<Vec<UsageAlert>, Error> {
        let request = WindowRequest { first: MAX_WINDOW, after: None };
        let window = self.pulse.services.usage.alert_window(&self.pulse.session.actor(), &request).await?;
        let alerts: Vec<UsageAlert> = window.rows.into_iter().map(|(_, alert)| alert).collect();
        let unseen = alerts.iter().filter(|alert| !self.seen.contains(&alert.id)).cloned().collect();
        self.seen = alerts.into_iter().map(|alert| alert.id).collect();
        Ok(unseen)
    }

    async fn next(&mut self) -> Result<UsageAlert, Error> {
        loop {
            if let Some(alert) = self.ready.pop() {
                return Ok(alert);
            }
            self.pulse.ticks.tick().await;
            self.ready = self.unseen().await?;
        }
    }
}
