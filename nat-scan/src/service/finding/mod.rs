//! Findings across scans: what is known of each target, what is new, what is fixed, and what a tenant decided.

mod compare;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use nat_core::audit::AuditEntry;
use nat_core::error::Validation;
use nat_core::page::{Window, WindowRequest, cursor};
use nat_core::store::CoreTx;
use nat_core::{Actor, Error, Result, ScanId, Scope, TenantId};

pub(super) use compare::{live, settle};

use super::show::{as_stored, kind_of, off_thread};
use super::stored::unpack;
use super::{Scans, quota_kind};
use crate::db::finding::{self, Model, Wanted, triage};
use crate::db::scan;
use crate::engine::{Outcome, ScanKind};
use crate::finding::{Confidence, Finding, Severity};

/// Characters of a reason.
const MAX_REASON: usize = 1_000;
/// Outcomes that are held at once: each may be large.
const OUTCOMES_AT_ONCE: usize = 10;
/// Scans whose findings are listed at once.
const MAX_SCANS: usize = 100;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The name in the table.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }

            fn parse(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(Error::internal(format!("unknown {} {other} in the database", stringify!($name)))),
                }
            }
        }
    };
}

names! {
    /// How a finding compares with the scan of the same target and kind before.
    FindingStatus {
        /// It was not there before.
        New "new"
        /// It was there before.
        Unchanged "unchanged"
        /// It was there before, and this scan tried the operation and did not find it.
        Fixed "fixed"
        /// It was there before, and this scan did not try the operation.
        NotTested "not_tested"
    }
}

names! {
    /// What a tenant decided about a finding.
    TriageStatus {
        /// Known, and lived with.
        AcceptedRisk "accepted_risk"
        /// Not a defect.
        FalsePositive "false_positive"
    }
}

/// A decision about a finding of a target; it holds for later scans of the target too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triage {
    /// What was decided.
    pub status: TriageStatus,
    /// Why.
    pub reason: String,
    /// From this instant on it does not hold any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was decided.
    pub set_at: DateTime<Utc>,
}

/// Names a finding of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FindingId {
    /// The scan.
    pub scan_id: ScanId,
    /// The fingerprint of the finding: [`Finding::id`].
    pub fingerprint: String,
}

/// A finding of a scan as lists show it. The proof is in [`Scans::details`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanFinding {
    /// Which.
    pub id: FindingId,
    /// The kind of the scan.
    pub kind: ScanKind,
    /// The target of the scan.
    pub url: String,
    /// Compared with the scan before. While the scan runs, new or unchanged.
    pub status: FindingStatus,
    /// For example `F001`.
    pub check_id: String,
    /// A short sentence.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// `GET /users/{id}`, or `*` for the whole API.
    pub endpoint: String,
    /// The slot, see [`Finding::location`].
    pub location: String,
    /// When it was seen first, in this scan or in an earlier one without a break.
    pub first_seen_at: DateTime<Utc>,
    /// The decision in force.
    pub triage: Option<Triage>,
    place: i64,
}

/// Which findings are meant. Empty and `None` mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// One of these.
    pub severities: Vec<Severity>,
    /// One of these.
    pub statuses: Vec<FindingStatus>,
    /// For example `F001`.
    pub check_id: Option<String>,
    /// `GET /users/{id}`
    pub operation: Option<String>,
    /// The target as the scan shows it.
    pub url: Option<String>,
    /// The kind of the scan.
    pub kind: Option<ScanKind>,
    /// Whether a decision is in force.
    pub triaged: Option<bool>,
}

/// Input of [`Scans::set_finding_status`].
#[derive(Clone, Debug)]
pub struct SetFindingStatus {
    /// Which.
    pub id: FindingId,
    /// `None` takes a decision back.
    pub status: Option<TriageStatus>,
    /// Required with a status, 1 to 1,000 characters.
    pub reason: Option<String>,
    /// Must lie in the future.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Scans {
    /// What is known now: the findings of the last completed scan of each target and kind, newest scans first. Scope
    /// `scans:read`.
    pub async fn findings(
        &self,
        actor: &Actor,
        filter: &FindingFilter,
        request: &WindowRequest,
    ) -> Result<Window<ScanFinding>> {
        actor.require(Scope::ScansRead)?;
        let (db, list) = (&self.ports.store.read, format!("findings|{}|{filter:?}", actor.tenant_id));
        let after = request.after.as_deref().map(|cursor| read_place(&list, cursor)).transpose()?;
        let after = after.as_ref().map(|(scan_id, place)| (scan_id.as_str(), *place));
        let rows = finding::list_latest(db, &actor.tenant_id, &self.wanted(filter), after, request.limit()).await?;
        let rows = self.with_triage(&actor.tenant_id, rows).await?;
        Ok(Window::of(rows, request, |row| cursor::place(&list, &format!("{} {}", row.id.scan_id, row.place))))
    }

    /// How many [`Self::findings`] there are. Scope `scans:read`.
    pub async fn count_findings(&self, actor: &Actor, filter: &FindingFilter) -> Result<u64> {
        actor.require(Scope::ScansRead)?;
        finding::count_latest(&self.ports.store.read, &actor.tenant_id, &self.wanted(filter)).await
    }

    /// The findings of scans, worst first (of a running scan, in the order in which they were found); at most 100
    /// scans. A scan without findings, or of another tenant, has an empty window. Scope `scans:read`.
    pub async fn findings_of(
        &self,
        actor: &Actor,
        scan_ids: &[ScanId],
        filter: &FindingFilter,
        request: &WindowRequest,
    ) -> Result<HashMap<ScanId, Window<ScanFinding>>> {
        actor.require(Scope::ScansRead)?;
        let list = format!("scan-findings|{}|{filter:?}", actor.tenant_id);
        let after = request.after.as_deref().map(|cursor| read_place(&list, cursor)).transpose()?;
        // A place belongs to a scan; in another one it would mean something else.
        if after.as_ref().is_some_and(|(scan_id, _)| scan_ids.iter().any(|id| id != scan_id)) {
            return Err(cursor::refused());
        }
        let after = after.map(|(_, place)| place);
        let mut found: HashMap<ScanId, Vec<ScanFinding>> = HashMap::new();
        for ids in scan_ids.chunks(MAX_SCANS) {
            let ids: Vec<&str> = ids.iter().map(ScanId::as_str).collect();
            let (db, wanted) = (&self.ports.store.read, self.wanted(filter));
            let rows = finding::list_of_scans(db, &actor.tenant_id, &ids, &wanted, after, request.limit()).await?;
            for row in self.with_triage(&actor.tenant_id, rows).await? {
                found.entry(row.id.scan_id.clone()).or_default().push(row);
            }
        }
        let place = |row: &ScanFinding| cursor::place(&list, &format!("{} {}", row.id.scan_id, row.place));
        let window = |id: &ScanId| Window::of(found.remove(id).unwrap_or_default(), request, place);
        let mut window = window;
        Ok(scan_ids.iter().map(|id| (id.clone(), window(id))).collect())
    }

    /// How many findings each of these scans has; those without any are left out. Scope `scans:read`.
    pub async fn count_findings_of(
        &self,
        actor: &Actor,
        scan_ids: &[ScanId],
        filter: &FindingFilter,
    ) -> Result<HashMap<ScanId, u64>> {
        actor.require(Scope::ScansRead)?;
        let ids: Vec<&str> = scan_ids.iter().map(ScanId::as_str).collect();
        let (db, wanted) = (&self.ports.store.read, self.wanted(filter));
        let counts = finding::count_of_scans(db, &actor.tenant_id, &ids, &wanted).await?;
        Ok(counts.into_iter().map(|(id, count)| (id.into(), u64::try_from(count).unwrap_or(0))).collect())
    }

    /// Findings by their ids; unknown ones and those of other tenants are left out. Scope `scans:read`.
    pub async fn find_findings(&self, actor: &Actor, ids: &[FindingId]) -> Result<Vec<ScanFinding>> {
        actor.require(Scope::ScansRead)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = ids.iter().map(|id| (id.scan_id.clone(), id.fingerprint.clone())).collect();
        let rows = finding::find_many(&self.ports.store.read, &actor.tenant_id, &ids).await?;
        self.with_triage(&actor.tenant_id, rows).await
    }

    /// The whole findings, with their proof, from the outcomes of their scans; those of a scan that still runs are left
    /// out. Ten outcomes are held at once. Scope `scans:read`.
    pub async fn details(&self, actor: &Actor, ids: &[FindingId]) -> Result<HashMap<FindingId, Finding>> {
        actor.require(Scope::ScansRead)?;
        let mut by_scan: HashMap<ScanId, Vec<String>> = HashMap::new();
        for id in ids {
            by_scan.entry(id.scan_id.clone()).or_default().push(id.fingerprint.clone());
        }
        let scan_ids: Vec<ScanId> = by_scan.keys().cloned().collect();
        let mut found = HashMap::new();
        for ids in scan_ids.chunks(OUTCOMES_AT_ONCE) {
            for (scan_id, blob) in self.blobs(actor, ids).await? {
                let fingerprints = by_scan.remove(&scan_id).unwrap_or_default();
                let findings = off_thread(move || {
                    let mut findings = unpack(&blob)?.findings;
                    findings.retain(|finding| fingerprints.contains(&finding.id));
                    Ok::<_, Error>(findings)
                })
                .await??;
                found.extend(
                    findings.into_iter().map(|finding| {
                        (FindingId { scan_id: scan_id.clone(), fingerprint: finding.id.clone() }, finding)
                    }),
                );
            }
        }
        Ok(found)
    }

    /// The outcomes of scans without their findings; those of scans that have none yet are left out. Scope `scans:read`.
    pub async fn outlines(&self, actor: &Actor, scan_ids: &[ScanId]) -> Result<HashMap<ScanId, Outcome>> {
        actor.require(Scope::ScansRead)?;
        let mut found = HashMap::new();
        for ids in scan_ids.chunks(OUTCOMES_AT_ONCE) {
            for (scan_id, blob) in self.blobs(actor, ids).await? {
                let outline =
                    off_thread(move || unpack(&blob).map(|stored| Outcome { findings: Vec::new(), ..stored }));
                found.insert(scan_id, outline.await??);
            }
        }
        Ok(found)
    }

    async fn blobs(&self, actor: &Actor, scan_ids: &[ScanId]) -> Result<Vec<(ScanId, Vec<u8>)>> {
        let db = &self.ports.store.read;
        let owned = scan::find_many(db, &actor.tenant_id, scan_ids).await?;
        let owned: Vec<ScanId> = owned.into_iter().map(|row| row.id.into()).collect();
        scan::read_outcomes(db, &owned).await
    }

    /// Decides about a finding of a target, for this scan and later ones, or takes the decision back. Scope
    /// `scans:write`; 422 for a missing reason and an expiry in the past, 404 for a finding that is not the tenant's.
    pub async fn set_finding_status(&self, actor: &Actor, input: SetFindingStatus) -> Result<ScanFinding> {
        actor.require(Scope::ScansWrite)?;
        let now = self.ports.clock.now();
        let decided = decision(&input, now)?;
        let mut tx = self.ports.store.begin_sea().await?;
        tx.lock_tenant(&actor.tenant_id).await?;
        let id = (input.id.scan_id.clone(), input.id.fingerprint.clone());
        let row = finding::find_many(&tx.inner, &actor.tenant_id, &[id]).await?.pop().ok_or_else(Error::not_found)?;
        let stored = decided.as_ref().map(|triage| triage::Model {
            tenant_id: row.tenant_id.clone(),
            kind: row.kind.clone(),
            url: row.url.clone(),
            fingerprint: row.fingerprint.clone(),
            status: triage.status.as_str().to_owned(),
            reason: triage.reason.clone(),
            expires_at: triage.expires_at,
            set_at: triage.set_at,
        });
        finding::set_triage(&tx, &row, stored).await?;
        let status = decided.as_ref().map(|triage| triage.status.as_str());
        let detail = serde_json::json!({"url": row.url, "kind": row.kind, "status": status});
        tx.append_audit(&AuditEntry::by(actor, "finding.triaged", row.fingerprint.as_str(), detail, now)).await?;
        Box::new(tx).commit().await?;
        Ok(ScanFinding { triage: decided, ..finding_of(row)? })
    }

    fn wanted(&self, filter: &FindingFilter) -> Wanted {
        Wanted {
            severities: filter.severities.iter().map(|severity| severity.as_str()).collect(),
            statuses: filter.statuses.iter().map(|status| status.as_str()).collect(),
            check_id: filter.check_id.clone(),
            endpoint: filter.operation.clone(),
            url: filter.url.as_deref().map(as_stored),
            kind: filter.kind.map(|kind| quota_kind(kind).as_str()),
            triaged: filter.triaged.map(|triaged| (triaged, self.ports.clock.now())),
        }
    }

    /// One statement for the decisions about all of them.
    async fn with_triage(&self, tenant_id: &TenantId, rows: Vec<Model>) -> Result<Vec<ScanFinding>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.ports.clock.now();
        let fingerprints: Vec<&str> = rows.iter().map(|row| row.fingerprint.as_str()).collect();
        let decisions = finding::list_triage(&self.ports.store.read, tenant_id, &fingerprints).await?;
        let in_force = decisions.into_iter().filter(|row| row.expires_at.is_none_or(|at| now < at));
        let decisions: HashMap<_, _> =
            in_force.map(|row| ((row.kind.clone(), row.url.clone(), row.fingerprint.clone()), row)).collect();
        rows.into_iter()
            .map(|row| {
                let key = (row.kind.clone(), row.url.clone(), row.fingerprint.clone());
                let triage = decisions.get(&key).map(triage_of).transpose()?;
                Ok(ScanFinding { triage, ..finding_of(row)? })
            })
            .collect()
    }
}

/// The decision that is asked for; everything that is wrong with it.
fn decision(input: &SetFindingStatus, now: DateTime<Utc>) -> Result<Option<Triage>> {
    let mut faults = Validation::default();
    let reason = input.reason.as_deref().map(str::trim).unwrap_or_default();
    if input.status.is_some() && reason.is_empty() {
        faults.missing("reason");
    } else if reason.chars().count() > MAX_REASON {
        faults.invalid("reason", &format!("must not hold more than {MAX_REASON} characters"));
    }
    if input.expires_at.is_some_and(|at| at <= now) {
        faults.invalid("expires_at", "must lie in the future");
    }
    faults.finish()?;
    let (reason, expires_at) = (reason.to_owned(), input.expires_at);
    Ok(input.status.map(|status| Triage { status, reason, expires_at, set_at: now }))
}

fn read_place(list: &str, cursor: &str) -> Result<(ScanId, i64)> {
    let text = cursor::read_place(list, cursor)?;
    let (scan_id, place) = text.split_once(' ').ok_or_else(cursor::refused)?;
    Ok((scan_id.into(), place.parse().map_err(|_| cursor::refused())?))
}

fn triage_of(row: &triage::Model) -> Result<Triage> {
    let status = TriageStatus::parse(&row.status)?;
    Ok(Triage { status, reason: row.reason.clone(), expires_at: row.expires_at, set_at: row.set_at })
}

fn finding_of(row: Model) -> Result<ScanFinding> {
    let unknown = |what: &str| Error::internal(format!("unknown {what} in the database"));
    let severity = Severity::ALL.into_iter().find(|severity| severity.as_str() == row.severity);
    let confidence = [Confidence::Confirmed, Confidence::Firm, Confidence::Tentative];
    Ok(ScanFinding {
        kind: kind_of(&row.kind).ok_or_else(|| unknown("kind"))?,
        status: FindingStatus::parse(&row.status)?,
        severity: severity.ok_or_else(|| unknown("severity"))?,
        confidence: confidence
            .into_iter()
            .find(|confidence| confidence.as_str() == row.confidence)
            .ok_or_else(|| unknown("confidence"))?,
        id: FindingId { scan_id: row.scan_id.into(), fingerprint: row.fingerprint },
        url: row.url,
        check_id: row.check_id,
        title: row.title,
        endpoint: row.endpoint,
        location: row.location,
        first_seen_at: row.first_seen_at,
        triage: None,
        place: row.place,
    })
}
