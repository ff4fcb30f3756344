use std::sync::atomic::{AtomicU32, Ordering};

use nat_core::{
    Actor, ErrorCode, PlanId, Result, ScanId, Scope,
    db::{SeaStore, testing::on_every_database},
    page::PageRequest,
    quota::{self, LedgerReason, QuotaKind},
    store::CoreStore,
};

use crate::world::{World, code, with_scopes};

impl World {
    async fn reserve(&self, actor: &Actor, scan: &str) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let tenant = tx.lock_tenant(&actor.tenant_id).await?.unwrap();
        quota::reserve(tx.as_mut(), &self.plans, &tenant, &ScanId::from(scan), QuotaKind::Functional, self.now())
            .await?;
        tx.commit().await
    }

    async fn commit(&self, actor: &Actor, scan: &str) {
        let mut tx = self.store.begin().await.unwrap();
        quota::commit(tx.as_mut(), &actor.tenant_id, &ScanId::from(scan), self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn release(&self, actor: &Actor, scan: &str, reason: LedgerReason) -> bool {
        let mut tx = self.store.begin().await.unwrap();
        let went_back =
            quota::release(tx.as_mut(), &actor.tenant_id, &ScanId::from(scan), reason, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        went_back
    }

    async fn used(&self, actor: &Actor) -> u32 {
        let summary = self.usage.summary(actor).await.unwrap();
        assert_eq!(summary.scans_limit, summary.scans_remaining.map(|remaining| summary.scans_used + remaining));
        summary.scans_used
    }

    async fn alerts(&self, actor: &Actor) -> Vec<(u8, u32)> {
        let page = self.usage.alerts(actor, PageRequest::new(None, Some(100)).unwrap()).await.unwrap();
        assert_eq!(page.total, page.rows.len() as u64);
        let mut alerts: Vec<_> = page.rows.iter().map(|alert| (alert.threshold_percent, alert.limit)).collect();
        alerts.sort_unstable();
        alerts
    }

    /// The ledger sums up to what is used, and shows each balance that was true.
    async fn check_ledger(&self, actor: &Actor) -> Vec<String> {
        let slice = self.usage.ledger(actor, None).await.unwrap();
        let sum: i32 = slice.rows.iter().map(|line| line.delta).sum();
        assert_eq!(u32::try_from(sum).unwrap(), self.used(actor).await);
        slice.rows.iter().map(|line| format!("{} {} {}", line.scan_id, line.reason.as_str(), line.balance)).collect()
    }

    async fn set_plan(&self, actor: &Actor, plan: &str) {
        let mut tx = self.store.begin().await.unwrap();
        let mut tenant = tx.lock_tenant(&actor.tenant_id).await.unwrap().unwrap();
        tenant.entitlement.plan_id = PlanId::from(plan);
        assert!(tx.update_tenant(&tenant).await.unwrap());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn unit_is_charged_once_and_given_back_once() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, _) = w.tenant("acme", "free").await;
        use LedgerReason::{Cancelled, EngineError, Unreachable};
        w.reserve(&actor, "s1").await.unwrap();
        w.reserve(&actor, "s1").await.unwrap();
        assert_eq!(w.used(&actor).await, 1, "repeating a reservation");
        w.commit(&actor, "s1").await;
        w.commit(&actor, "s1").await;
        assert!(!w.release(&actor, "s1", Cancelled).await, "spent units stay spent");
        assert!(!w.release(&actor, "s1", Unreachable).await);
        assert!(w.release(&actor, "s1", EngineError).await, "unless we fail the scan");
        assert!(!w.release(&actor, "s1", EngineError).await);
        w.reserve(&actor, "s2").await.unwrap();
        assert!(w.release(&actor, "s2", Unreachable).await);
        w.commit(&actor, "s2").await;
        assert!(!w.release(&actor, "unknown", Cancelled).await);
        w.commit(&actor, "unknown").await;
        w.reserve(&actor, "s3").await.unwrap();
        assert_eq!(
            w.check_ledger(&actor).await,
            [
                "s1 reserved 1",
                "s1 committed 1",
                "s1 engine_error 0",
                "s2 reserved 1",
                "s2 unreachable 0",
                "s3 reserved 1"
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn last_units_go_to_exactly_as_many_scans() {
    on_every_database(Vec::new, async |db| {
        let (a, b) = (World::new(&db.store), World::new(&db.store));
        let (actor, _) = a.tenant("acme", "free").await;
        for n in 0..43 {
            a.reserve(&actor, &format!("before{n}")).await.unwrap();
        }
        let ids: Vec<String> = (0..60).map(|n| format!("race{n}")).collect();
        let calls = ids
            .iter()
            .enumerate()
            .map(|(n, id)| if n % 2 == 0 { a.reserve(&actor, id) } else { b.reserve(&actor, id) });
        let codes: Vec<_> = futures::future::join_all(calls).await.into_iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 7, "{codes:?}");
        assert!(codes.iter().flatten().all(|code| *code == ErrorCode::QuotaExceeded), "{codes:?}");
        assert_eq!(a.check_ledger(&actor).await.len(), 50, "a refused reservation writes nothing");
        assert_eq!(a.alerts(&actor).await, [(80, 50), (100, 50)], "each crossing once");
        let refused = a.reserve(&actor, "more").await.unwrap_err();
        assert_eq!(refused.body()["quota_reset_date"], "2025-02-01T00:00:00Z");
        assert_eq!(refused.body()["status"], 402, "the form for the free plan");
    })
    .await;
}

#[tokio::test]
async fn release_and_commit_at_once_have_one_outcome() {
    on_every_database(Vec::new, async |db| {
        let (a, b) = (World::new(&db.store), World::new(&db.store));
        let (actor, _) = a.tenant("acme", "free").await;
        for n in 0..10 {
            let scan = format!("s{n}");
            a.reserve(&actor, &scan).await.unwrap();
            let (_, first, second) = futures::join!(
                a.commit(&actor, &scan),
                b.release(&actor, &scan, LedgerReason::Cancelled),
                a.release(&actor, &scan, LedgerReason::Unreachable)
            );
            assert!(!(first && second));
        }
        let lines = a.check_ledger(&actor).await;
        assert_eq!(lines.len(), 20, "one outcome a scan: {lines:?}");
    })
    .await;
}

#[tokio::test]
async fn unit_belongs_to_the_period_of_its_reservation() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, _) = w.tenant("acme", "free").await;
        w.wait_ms(12 * 3_600_000 - 1);
        for n in 0..50 {
            w.reserve(&actor, &format!("old{n}")).await.unwrap();
        }
        assert!(w.reserve(&actor, "too many").await.is_err());
        let cursor_of_old = w.usage.ledger(&actor, None).await.unwrap();
        assert_eq!((cursor_of_old.rows.len(), cursor_of_old.next_cursor), (50, None));
        w.wait_ms(1);
        assert_eq!(w.used(&actor).await, 0, "the first instant of February");
        w.reserve(&actor, "new").await.unwrap();
        assert!(w.release(&actor, "old0", LedgerReason::EngineError).await, "given back to January");
        assert_eq!(w.used(&actor).await, 1);
        assert_eq!(w.check_ledger(&actor).await, ["new reserved 1"]);
        for n in 0..39 {
            w.reserve(&actor, &format!("new{n}")).await.unwrap();
        }
        assert_eq!(w.alerts(&actor).await, [(80, 50), (80, 50), (100, 50)], "armed anew");
    })
    .await;
}

#[tokio::test]
async fn alert_is_not_repeated_below_and_above_again_but_for_a_new_limit() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, _) = w.tenant("acme", "free").await;
        for n in 0..40 {
            assert_eq!(w.alerts(&actor).await, [], "{n}");
            w.reserve(&actor, &format!("s{n}")).await.unwrap();
        }
        assert_eq!(w.alerts(&actor).await, [(80, 50)]);
        assert!(w.usage.summary(&actor).await.unwrap().approaching_limit);
        assert!(w.release(&actor, "s39", LedgerReason::Cancelled).await);
        assert!(!w.usage.summary(&actor).await.unwrap().approaching_limit);
        w.reserve(&actor, "again").await.unwrap();
        assert_eq!(w.alerts(&actor).await, [(80, 50)]);

        w.set_plan(&actor, "pro").await;
        let summary = w.usage.summary(&actor).await.unwrap();
        assert_eq!((summary.scans_used, summary.scans_remaining, summary.approaching_limit), (40, Some(460), false));
        for n in 0..20 {
            w.reserve(&actor, &format!("pro{n}")).await.unwrap();
        }
        w.set_plan(&actor, "free").await;
        let summary = w.usage.summary(&actor).await.unwrap();
        assert_eq!((summary.scans_used, summary.scans_remaining), (50, Some(0)), "capped, so that the sum holds");
        assert_eq!(code(w.reserve(&actor, "no").await), Some(ErrorCode::QuotaExceeded), "flapping gives nothing");
        w.set_plan(&actor, "enterprise").await;
        w.reserve(&actor, "unlimited").await.unwrap();
        let summary = w.usage.summary(&actor).await.unwrap();
        assert_eq!((summary.scans_used, summary.scans_limit, summary.scans_remaining), (61, None, None));
        assert_eq!(w.alerts(&actor).await, [(80, 50)]);
    })
    .await;
}

#[tokio::test]
async fn summary_is_read_once_until_something_changes() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let alone = w.store.usage_version().is_some();
        let (actor, _) = w.tenant("acme", "free").await;
        for n in 1..=3 {
            w.reserve(&actor, &format!("s{n}")).await.unwrap();
            assert_eq!((w.used(&actor).await, w.used(&actor).await), (n, n));
        }
        assert_eq!(w.store.counts(), if alone { 3 } else { 6 });

        let elsewhere = World::new(&SeaStore::open(&db.url, Vec::new()).await.unwrap());
        elsewhere.set_plan(&actor, "pro").await;
        let plan = async || w.usage.summary(&actor).await.unwrap().plan_id.to_string();
        w.wait_ms(499);
        assert_eq!(plan().await, if alone { "free" } else { "pro" });
        w.wait_ms(1);
        assert_eq!(plan().await, "pro", "what another process changed is seen after 500 ms");
        w.set_plan(&actor, "free").await;
        assert_eq!(plan().await, "free", "what this one changed at once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn summary_shows_every_unit_that_was_taken_before_it() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, _) = w.tenant("acme", "free").await;
        let taken = AtomicU32::new(0);
        let calls = (0..40).map(async |n| {
            w.reserve(&actor, &format!("s{n}")).await.unwrap();
            let floor = 1 + taken.fetch_add(1, Ordering::SeqCst);
            assert!(w.used(&actor).await >= floor, "a summary from before the unit was taken");
        });
        futures::future::join_all(calls).await;
        assert_eq!(w.used(&actor).await, 40);
    })
    .await;
}

#[tokio::test]
async fn ledger_pages_to_its_end_and_belongs_to_the_tenant() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, _) = w.tenant("acme", "pro").await;
        let (other, _) = w.tenant("other", "pro").await;
        for n in 0..200 {
            w.reserve(&actor, &format!("s{n:03}")).await.unwrap();
        }
        let first = w.usage.ledger(&actor, None).await.unwrap();
        let cursor = first.next_cursor.clone().unwrap();
        let second = w.usage.ledger(&actor, Some(&cursor)).await.unwrap();
        let scans: Vec<_> = first.rows.iter().chain(&second.rows).map(|line| line.scan_id.to_string()).collect();
        assert_eq!(scans, (0..200).map(|n| format!("s{n:03}")).collect::<Vec<_>>());
        assert_eq!(second.next_cursor, None, "also at an exact multiple");
        assert!(w.usage.ledger(&other, Some(&cursor)).await.unwrap().rows.is_empty());
        for bad in ["", "garbage", "AAAAAAAAAAAAAAAAAAAA", &cursor[1..]] {
            assert_eq!(code(w.usage.ledger(&actor, Some(bad)).await), Some(ErrorCode::ValidationError), "{bad}");
        }
        let blind = with_scopes(&actor, &[Scope::ScansWrite]);
        assert_eq!(code(w.usage.ledger(&blind, None).await), Some(ErrorCode::Forbidden));
        assert_eq!(code(w.usage.summary(&blind).await), Some(ErrorCode::Forbidden));
        let page = PageRequest::new(None, None).unwrap();
        assert_eq!(code(w.usage.alerts(&blind, page).await), Some(ErrorCode::Forbidden));
    })
    .await;
}
