//! The service over real databases and an engine that does what the test says.

mod ownership;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use nat_core::db::SeaStore;
use nat_core::db::testing::{TestDatabase, on_every_database};
use nat_core::entropy::SeededEntropy;
use nat_core::job::{JobHandler, JobQueue};
use nat_core::page::PageRequest;
use nat_core::period::period_at;
use nat_core::plan::PlanCatalogue;
use nat_core::quota::LedgerReason;
use nat_core::secret::Vault;
use nat_core::store::CoreStore;
use nat_core::tenant::Tenant;
use nat_core::time::{Clock, ManualClock};
use nat_core::{Actor, Error, ErrorCode, Result, Scope};
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use super::*;
use crate::db::migrations;
use crate::engine::{Connect, Event, Now};
use crate::finding::{Confidence, Evidence, Finding, Redactor, Severity};
use crate::identity::Credentials;
use crate::journal::{Identity, KeptAnswer, Place};
use crate::policy::{PinnedTarget, Resolve, TargetPolicy};
use crate::transport::{Limits, Request, Transport, TransportError};

const PLANS: &str = "
[[plan]]
id = 'free'
functional_scans = 7
security_scans = 0
[[plan]]
id = 'pro'
concurrent_scans = 1
";

/// Notes what is pushed; the tests are the workers.
#[derive(Default)]
struct Pushed(Mutex<Vec<(String, u32)>>);

#[async_trait]
impl JobQueue for Pushed {
    async fn push(&self, scan_id: &ScanId, attempt: u32) -> Result<()> {
        self.0.lock().unwrap().push((scan_id.to_string(), attempt));
        Ok(())
    }

    async fn work(&self, _: usize, _: JobHandler, _: CancellationToken) -> Result<()> {
        Ok(())
    }
}

/// Nothing is sent or resolved in these tests.
struct Nowhere;

#[async_trait]
impl Connect for Nowhere {
    fn connect(&self, _: &PinnedTarget, _: Limits, _: &str) -> Arc<dyn Transport> {
        unreachable!("the engine of these tests sends nothing")
    }
}

#[async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
        Err(std::io::Error::other("no names here"))
    }
}

struct Stopped(Arc<ManualClock>);

impl Now for Stopped {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

/// A node: its service, and the clock and queue that all nodes of a test share.
struct World {
    store: SeaStore,
    clock: Arc<ManualClock>,
    jobs: Arc<Pushed>,
}

impl World {
    async fn new(db: &TestDatabase) -> Self {
        let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_738_000_000, 0).unwrap()));
        let world = Self { store: db.store.clone(), clock, jobs: Arc::default() };
        let mut tx = world.store.begin().await.unwrap();
        for (id, plan) in [("acme", "free"), ("other", "free"), ("rich", "pro")] {
            let tenant = Tenant::new(id.into(), "a@example.org", plan.into(), world.clock.now());
            assert!(tx.insert_tenant(&tenant).await.unwrap());
        }
        tx.commit().await.unwrap();
        world
    }

    fn node(&self, name: &str, engine: Engine) -> Scans {
        Scans::with_engine(self.ports(name), engine)
    }

    fn ports(&self, name: &str) -> ScansPorts {
        let policy = TargetPolicy { hosted: true, deny: Vec::new(), resolver: Arc::new(Nowhere) };
        let now = Arc::new(Stopped(self.clock.clone()));
        ScansPorts {
            store: self.store.clone(),
            plans: Arc::new(PlanCatalogue::parse(PLANS).unwrap()),
            jobs: self.jobs.clone(),
            vault: Arc::new(Vault::new([3; 32])),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(name.bytes().map(u64::from).sum())),
            engine: EnginePorts { policy, connect: Arc::new(Nowhere), now },
            callback: None,
            permission: Permission::default(),
            node: name.to_owned(),
        }
    }

    async fn ledger(&self, tenant: &str) -> Vec<LedgerReason> {
        let start = period_at(None, self.clock.now()).start;
        let lines = self.store.list_ledger(&tenant.into(), start, None, 1000).await.unwrap();
        let sum: i32 = lines.iter().map(|line| line.row.delta).sum();
        let counts = self.store.usage_counts(&tenant.into(), start).await.unwrap();
        assert_eq!(sum, i32::try_from(counts.functional + counts.security).unwrap(), "the ledger sums up");
        lines.into_iter().map(|line| line.row.reason).collect()
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

fn actor(tenant: &str) -> Actor {
    Actor::system(tenant.into(), if tenant == "rich" { "pro" } else { "free" }.into())
}

fn target() -> StartScan {
    StartScan { url: Some("http://api.example.org/v1".to_owned()), ..StartScan::default() }
}

fn outcome(config: &ScanConfig) -> Outcome {
    Outcome {
        requests: 3,
        bytes_received: 10,
        passed: 2,
        failed: 1,
        plan_hash: "p".to_owned(),
        ..Outcome::blank("functional", config.target.as_str(), config.seed, DateTime::UNIX_EPOCH)
    }
}

fn finding(evidence: &str) -> Finding {
    Finding {
        id: "f".to_owned(),
        check_id: "F001".to_owned(),
        title: "t".to_owned(),
        severity: Severity::High,
        confidence: Confidence::Firm,
        endpoint: "GET /".to_owned(),
        location: String::new(),
        cwe: Vec::new(),
        owasp: None,
        cvss: None,
        description: String::new(),
        explanation: String::new(),
        remediation: String::new(),
        evidence: vec![Evidence {
            role: "probe".to_owned(),
            request: evidence.to_owned(),
            response: String::new(),
            at: DateTime::UNIX_EPOCH,
        }],
        curl: format!("curl -H '{evidence}'"),
        first_seen: DateTime::UNIX_EPOCH,
        occurrences: 1,
        spec_pointer: None,
        cause: String::new(),
        steps: Vec::new(),
        origin: None,
    }
}

/// Starts and ends at once.
fn quick() -> Engine {
    Arc::new(|config, sink, _, _| {
        async move {
            sink(Event::Started);
            outcome(&config)
        }
        .boxed()
    })
}

/// Starts, says so, and runs until it is cancelled.
fn endless(begun: Arc<Notify>) -> Engine {
    Arc::new(move |config, sink, cancel, _| {
        let begun = begun.clone();
        async move {
            sink(Event::Started);
            begun.notify_one();
            cancel.cancelled().await;
            Outcome { cancelled: true, findings: vec![finding("x")], ..outcome(&config) }
        }
        .boxed()
    })
}

async fn start(scans: &Scans, tenant: &str) -> ScanId {
    scans.start(&actor(tenant), ScanKind::Functional, target()).await.unwrap().id
}

async fn status(scans: &Scans, tenant: &str, id: &ScanId) -> ScanStatus {
    scans.get(&actor(tenant), id).await.unwrap().status
}

#[tokio::test]
async fn parallel_starts_accept_exactly_the_quota() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let actor = actor("acme");
        let starts = (0..50).map(|_| scans.start(&actor, ScanKind::Functional, target()));
        let (accepted, refused): (Vec<_>, Vec<_>) =
            futures::future::join_all(starts).await.into_iter().partition(Result::is_ok);
        assert_eq!(accepted.len(), 7);
        assert!(refused.into_iter().all(|refused| refused.unwrap_err().code == ErrorCode::QuotaExceeded));
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved; 7]);
        assert_eq!(world.jobs.0.lock().unwrap().len(), 7);
        let page = PageRequest::new(None, Some(5)).unwrap();
        let listed = scans.list(&actor, ScanFilter::default(), page).await.unwrap();
        assert_eq!((listed.total, listed.rows.len()), (7, 5));
    })
    .await;
}

#[tokio::test]
async fn refusals_come_in_the_documented_order() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let check = async |actor: &Actor, kind, input: StartScan, code: ErrorCode| {
            let error = scans.start(actor, kind, input).await.unwrap_err();
            assert_eq!(error.code, code, "{error}");
            error
        };
        let nobody = Actor { scopes: [Scope::UsageRead].into(), ..actor("acme") };
        let inside = StartScan { url: Some("http://127.0.0.1/".to_owned()), ..target() };
        check(&nobody, ScanKind::Security, StartScan::default(), ErrorCode::ValidationError).await;
        let refused = check(&nobody, ScanKind::Security, inside, ErrorCode::TargetNotAllowed).await;
        assert_eq!(refused.body()["reason"], "loopback");
        let document = StartScan { spec_url: Some("http://169.254.169.254/s".to_owned()), ..target() };
        check(&nobody, ScanKind::Security, document, ErrorCode::TargetNotAllowed).await;
        check(&nobody, ScanKind::Security, target(), ErrorCode::FeatureNotAvailable).await;
        check(&nobody, ScanKind::Functional, target(), ErrorCode::Forbidden).await;
        start(&scans, "rich").await;
        let limited = check(&actor("rich"), ScanKind::Functional, target(), ErrorCode::ConcurrentLimit).await;
        assert!(limited.retry_after_s.is_some());
        assert!(world.ledger("acme").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn executed_scan_shows_its_outcome() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let runs = Arc::new(AtomicUsize::new(0));
        let (counted, inner) = (runs.clone(), quick());
        let engine: Engine = Arc::new(move |config, sink, cancel, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            inner(config, sink, cancel, Journal::none())
        });
        let scans = world.node("n1", engine);
        let id = start(&scans, "acme").await;
        assert_eq!(scans.results(&actor("acme"), &id).await.unwrap_err().code, ErrorCode::ScanNotFinished);
        scans.execute(id.clone()).await;
        scans.execute(id.clone()).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "a second delivery does nothing");
        let (scan, outcome) = scans.results(&actor("acme"), &id).await.unwrap();
        assert_eq!((scan.status, scan.passed, scan.failed, scan.total), (ScanStatus::Completed, 2, 1, 3));
        assert_eq!((scan.progress.percent, scan.progress.requests_sent), (100, 3));
        assert_eq!(outcome.plan_hash, "p");
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::Committed]);
        assert_eq!(scans.cancel(&actor("acme"), &id).await.unwrap_err().code, ErrorCode::ScanFinished);
    })
    .await;
}

#[tokio::test]
async fn crashed_worker_is_replaced_and_charged_once() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let begun = Arc::new(Notify::new());
        let dying = world.node("dying", endless(begun.clone()));
        let id = start(&dying, "acme").await;
        {
            let committed = async {
                begun.notified().await;
                while world.ledger("acme").await.len() < 2 {}
            };
            tokio::select! {
                () = dying.execute(id.clone()) => panic!("it runs until it is dropped"),
                () = committed => {}
            }
        }
        let healthy = world.node("healthy", quick());
        assert_eq!(healthy.sweep(false).await.unwrap(), 0, "its lease is still good");
        world.later(31);
        assert_eq!(healthy.sweep(false).await.unwrap(), 1);
        assert_eq!(world.jobs.0.lock().unwrap().last().unwrap(), &(id.to_string(), 2));
        healthy.execute(id.clone()).await;
        assert_eq!(status(&healthy, "acme", &id).await, ScanStatus::Completed);
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::Committed]);
    })
    .await;
}

#[tokio::test]
async fn restarted_node_takes_its_leases_back_at_once() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let before = world.node("n1", quick());
        let id = start(&before, "acme").await;
        let now = world.clock.now();
        // Only one process uses an SQLite file, whatever it is called.
        let sqlite = world.store.write.get_database_backend() == sea_orm::DatabaseBackend::Sqlite;
        let former = if sqlite { "n0" } else { "n1" };
        let until = now + TimeDelta::seconds(30);
        let claimed = crate::db::scan::claim(&world.store.write, &id, former, now, until).await;
        assert!(claimed.unwrap().is_some());
        let after = world.node("n1", quick());
        assert!(after.sweep(true).await.unwrap() > 0);
        after.execute(id.clone()).await;
        assert_eq!(status(&after, "acme", &id).await, ScanStatus::Completed);
    })
    .await;
}

#[tokio::test]
async fn third_crash_fails_the_scan_and_refunds_it() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let id = start(&scans, "acme").await;
        for _ in 0..3 {
            let now = world.clock.now();
            let until = now + TimeDelta::seconds(30);
            let claimed = crate::db::scan::claim(&world.store.write, &id, "dead", now, until).await;
            assert!(claimed.unwrap().is_some());
            world.later(31);
            assert_eq!(scans.sweep(false).await.unwrap(), 1);
        }
        let scan = scans.get(&actor("acme"), &id).await.unwrap();
        assert_eq!((scan.status, scan.error.unwrap().code.as_str()), (ScanStatus::Failed, "ENGINE_ERROR"));
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::EngineError]);
        assert!(scans.results(&actor("acme"), &id).await.unwrap().1.findings.is_empty());
    })
    .await;
}

#[tokio::test]
async fn scan_that_no_worker_takes_is_pushed_again_then_ended() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let id = start(&scans, "acme").await;
        assert_eq!(scans.sweep(false).await.unwrap(), 0);
        world.later(31);
        assert_eq!(scans.sweep(false).await.unwrap(), 1);
        assert_eq!(world.jobs.0.lock().unwrap().as_slice(), [(id.to_string(), 1), (id.to_string(), 2)]);
        assert_eq!(scans.sweep(false).await.unwrap(), 0, "not before the next pause is over");
        world.later(30 * 60);
        scans.sweep(false).await.unwrap();
        let scan = scans.get(&actor("acme"), &id).await.unwrap();
        assert_eq!((scan.status, scan.error.unwrap().code.as_str()), (ScanStatus::Failed, "TIMED_OUT"));
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::EngineError]);
    })
    .await;
}

#[tokio::test]
async fn cancel_before_the_first_request_refunds() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let id = start(&scans, "acme").await;
        assert_eq!(scans.cancel(&actor("acme"), &id).await.unwrap().status, ScanStatus::Cancelled);
        scans.execute(id.clone()).await;
        assert_eq!(status(&scans, "acme", &id).await, ScanStatus::Cancelled);
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::Cancelled]);
        assert!(scans.results(&actor("acme"), &id).await.unwrap().1.cancelled);
    })
    .await;
}

#[tokio::test]
async fn cancel_on_another_node_stops_the_scan_and_keeps_what_it_got_to() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let begun = Arc::new(Notify::new());
        let (here, there) = (world.node("n1", endless(begun.clone())), world.node("n2", quick()));
        let id = start(&here, "acme").await;
        let cancel = async {
            begun.notified().await;
            while world.ledger("acme").await.len() < 2 {}
            there.cancel(&actor("acme"), &id).await.unwrap();
        };
        // Ends only because the worker sees the row.
        tokio::join!(here.execute(id.clone()), cancel);
        let (scan, outcome) = there.results(&actor("acme"), &id).await.unwrap();
        assert_eq!((scan.status, scan.summary.high, outcome.findings.len()), (ScanStatus::Cancelled, 1, 1));
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::Committed]);
    })
    .await;
}

#[tokio::test]
async fn worker_without_its_lease_writes_nothing() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (said, wait) = (begun.clone(), go_on.clone());
        let slow: Engine = Arc::new(move |config, _, _, _| {
            let (said, wait) = (said.clone(), wait.clone());
            async move {
                said.notify_one();
                wait.notified().await;
                Outcome { plan_hash: "late".to_owned(), ..outcome(&config) }
            }
            .boxed()
        });
        let (first, second) = (world.node("n1", slow), world.node("n2", quick()));
        let id = start(&first, "acme").await;
        let overtake = async {
            begun.notified().await;
            world.later(31);
            assert_eq!(second.sweep(false).await.unwrap(), 1);
            second.execute(id.clone()).await;
            go_on.notify_one();
        };
        tokio::join!(first.execute(id.clone()), overtake);
        let (scan, outcome) = second.results(&actor("acme"), &id).await.unwrap();
        assert_eq!((scan.status, outcome.plan_hash.as_str()), (ScanStatus::Completed, "p"));
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::Committed]);
    })
    .await;
}

#[tokio::test]
async fn engine_that_panics_fails_the_scan_and_refunds_it() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let engine: Engine = Arc::new(|_, sink, _, _| {
            async move {
                sink(Event::Started);
                panic!("a defect of the engine")
            }
            .boxed()
        });
        let scans = world.node("n1", engine);
        let id = start(&scans, "acme").await;
        scans.execute(id.clone()).await;
        let scan = scans.get(&actor("acme"), &id).await.unwrap();
        assert_eq!((scan.status, scan.error.unwrap().code.as_str()), (ScanStatus::Failed, "ENGINE_ERROR"));
        let ledger = world.ledger("acme").await;
        assert_eq!(ledger, [LedgerReason::Reserved, LedgerReason::Committed, LedgerReason::EngineError]);
    })
    .await;
}

#[tokio::test]
async fn node_that_stops_gives_its_scans_back_uncounted() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let begun = Arc::new(Notify::new());
        let leaving = world.node("n1", endless(begun.clone()));
        let id = start(&leaving, "acme").await;
        let leave = async {
            begun.notified().await;
            leaving.hand_back();
        };
        tokio::join!(leaving.execute(id.clone()), leave);
        assert_eq!(status(&leaving, "acme", &id).await, ScanStatus::Queued);
        leaving.execute(id.clone()).await;
        assert_eq!(status(&leaving, "acme", &id).await, ScanStatus::Queued, "a node that stops takes nothing");
        assert_eq!(world.jobs.0.lock().unwrap().last().unwrap(), &(id.to_string(), 2));
        let other = world.node("n2", quick());
        other.execute(id.clone()).await;
        assert_eq!(status(&other, "acme", &id).await, ScanStatus::Completed);
    })
    .await;
}

#[tokio::test]
async fn scan_of_another_tenant_does_not_exist() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let id = start(&scans, "acme").await;
        scans.execute(id.clone()).await;
        let other = actor("other");
        let gone = |error: Error| assert_eq!(error.body(), Error::not_found().body());
        gone(scans.get(&other, &id).await.unwrap_err());
        gone(scans.results(&other, &id).await.unwrap_err());
        gone(scans.cancel(&other, &id).await.unwrap_err());
        gone(scans.export(&other, &id, None).await.unwrap_err());
        let page = PageRequest::new(None, None).unwrap();
        assert_eq!(scans.list(&other, ScanFilter::default(), page).await.unwrap().total, 0);
    })
    .await;
}

#[tokio::test]
async fn list_filters_by_what_rest_shows() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let scans = world.node("n1", quick());
        let done = start(&scans, "acme").await;
        scans.execute(done.clone()).await;
        world.later(1);
        let waiting = start(&scans, "acme").await;
        let check = async |status: Option<&str>, kind: Option<&str>, ids: &[&ScanId]| {
            let filter = ScanFilter { status: status.map(Into::into), kind: kind.map(Into::into) };
            let page = PageRequest::new(None, None).unwrap();
            let found = scans.list(&actor("acme"), filter, page).await.unwrap();
            assert_eq!(found.rows.iter().map(|scan| &scan.id).collect::<Vec<_>>(), ids, "{status:?} {kind:?}");
        };
        check(None, None, &[&waiting, &done]).await;
        check(Some("running"), None, &[&waiting]).await;
        check(Some("completed"), Some("functional"), &[&done]).await;
        check(None, Some("security"), &[]).await;
        let bad = ScanFilter { status: Some("queued".to_owned()), kind: None };
        let page = PageRequest::new(None, None).unwrap();
        assert_eq!(scans.list(&actor("acme"), bad, page).await.unwrap_err().code, ErrorCode::ValidationError);
    })
    .await;
}

#[tokio::test]
async fn secrets_are_sealed_then_gone_and_never_in_the_outcome() {
    const SECRET: &str = "s3cr3t-token-0815";
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let engine: Engine = Arc::new(|config, _, _, _| {
            async move {
                let Credentials::Bearer(token) = &config.credentials else { panic!("the token arrives") };
                assert_eq!(token.expose_secret(), SECRET);
                let header = format!("Authorization: Bearer {}", token.expose_secret());
                Outcome { findings: vec![finding(&header)], ..outcome(&config) }
            }
            .boxed()
        });
        let scans = world.node("n1", engine);
        let fields = [("token".to_owned(), SECRET.to_owned())].into();
        let input = StartScan {
            auth: Some(AuthInput { kind: Some("bearer".to_owned()), fields }),
            spec_content: Some("e30=".to_owned()),
            ..target()
        };
        let id = scans.start(&actor("acme"), ScanKind::Functional, input).await.unwrap().id;
        let sealed = crate::db::scan::read_input(&world.store.read, &id).await.unwrap();
        let sealed = [sealed.credentials.unwrap(), sealed.spec.unwrap()].concat();
        assert!(!String::from_utf8_lossy(&sealed).contains(SECRET));
        scans.execute(id.clone()).await;
        let (scan, outcome) = scans.results(&actor("acme"), &id).await.unwrap();
        assert_eq!(scan.status, ScanStatus::Completed);
        let text = serde_json::to_string(&outcome).unwrap();
        assert!(text.contains("[redacted]") && !text.contains(SECRET), "{text}");
        let left = world.store.read.query_all_raw(sea_orm::Statement::from_string(
            world.store.read.get_database_backend(),
            "SELECT scan_id FROM scan_input",
        ));
        assert!(left.await.unwrap().is_empty());
    })
    .await;
}

#[test]
fn outcome_is_cut_to_its_bounds_and_says_so() {
    let config = super::stored::scan_config(
        ScanKind::Functional,
        "http://x".parse().unwrap(),
        "scan_1",
        super::validate::validate(ScanKind::Functional, target(), 1).unwrap().config,
        super::stored::StoredIdentities::default(),
        None,
    );
    let mut large = outcome(&config);
    large.findings = vec![finding(&"x".repeat(10 << 10)); 6_000];
    super::stored::bound(&mut large);
    assert_eq!((large.findings.len(), large.notices.len()), (5_000, 2));
    assert!(large.findings.last().unwrap().evidence.is_empty());
    large.findings.truncate(10);
    let packed = super::stored::pack(&large).unwrap();
    assert_eq!(super::stored::unpack(&packed).unwrap(), large);
}

/// Who the journal of the test belongs to.
fn same_scan() -> Identity {
    let text = || "same".to_owned();
    Identity { version: text(), target: text(), document: text(), config: text(), seed: 1 }
}

/// Binds the journal, keeps one answer, and says when it is written; then runs until it is dropped.
fn writing(written: Arc<Notify>) -> Engine {
    Arc::new(move |_, sink, _, journal| {
        let written = written.clone();
        async move {
            sink(Event::Started);
            journal.bind(same_scan(), "abcd".to_owned(), Redactor::new()).unwrap();
            let answer =
                KeptAnswer { print: 1, result: Err(TransportError::Reset), at: DateTime::UNIX_EPOCH, throttled: None };
            journal.keep(Place::of("here"), Vec::new(), vec![(Request::new("GET", "/"), answer)]);
            let done = CancellationToken::new();
            done.cancel();
            journal.write_until(&done).await;
            assert_eq!(journal.trouble(), None);
            written.notify_one();
            std::future::pending().await
        }
        .boxed()
    })
}

#[tokio::test]
async fn journal_of_a_dead_worker_goes_to_the_next_and_then_away() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let written = Arc::new(Notify::new());
        let dying = world.node("dying", writing(written.clone()));
        let id = start(&dying, "acme").await;
        let written = async {
            written.notified().await;
            while world.ledger("acme").await.len() < 2 {}
        };
        tokio::select! {
            () = dying.execute(id.clone()) => panic!("it runs until it is dropped"),
            () = written => {}
        }
        world.later(31);
        let engine: Engine = Arc::new(|config, sink, _, journal| {
            async move {
                let bound = journal.bind(same_scan(), "else".to_owned(), Redactor::new()).unwrap();
                assert_eq!((bound.nonce.as_str(), bound.epoch, bound.known), ("abcd", 1, 1));
                assert!(journal.recall(&Place::of("here")).is_some());
                sink(Event::Started);
                outcome(&config)
            }
            .boxed()
        });
        let healthy = world.node("healthy", engine);
        assert_eq!(healthy.sweep(false).await.unwrap(), 1);
        healthy.execute(id.clone()).await;
        assert_eq!(status(&healthy, "acme", &id).await, ScanStatus::Completed);
        assert_eq!(world.ledger("acme").await, [LedgerReason::Reserved, LedgerReason::Committed]);
        assert_eq!(crate::db::journal::find_next(&world.store.read, &id, 0).await.unwrap(), None);
        // Who has lost the lease writes nothing.
        let lease = crate::db::scan::Lease { scan_id: id, node: "dying".to_owned(), attempt: 1 };
        let late = super::journal::LeasedStore::new(healthy.ports.clone(), lease);
        assert!(crate::journal::JournalStore::append(&late, b"x".to_vec()).await.is_err());
    })
    .await;
}
