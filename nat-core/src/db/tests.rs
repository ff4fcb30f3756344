use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use super::testing::{TestDatabase, on_every_database};
use super::*;
use crate::audit::AuditEntry;
use crate::quota::{LedgerEntry, LedgerReason, QuotaKind};
use crate::store::CoreStore;
use crate::tenant::Tenant;
use crate::{Actor, TenantId};

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_738_000_000, 0).unwrap()
}

fn tenant(id: &str) -> Tenant {
    Tenant::new(id.into(), "a@example.org", "free".into(), noon())
}

async fn with_tenant(db: &TestDatabase) -> TenantId {
    let mut tx = db.store.begin().await.unwrap();
    assert!(tx.insert_tenant(&tenant("acme")).await.unwrap());
    tx.commit().await.unwrap();
    "acme".into()
}

#[tokio::test]
async fn transaction_dropped_leaves_nothing() {
    on_every_database(Vec::new, async |db| {
        let mut tx = db.store.begin().await.unwrap();
        assert!(tx.insert_tenant(&tenant("acme")).await.unwrap());
        drop(tx);
        assert_eq!(db.store.find_tenant(&"acme".into()).await.unwrap(), None);
        with_tenant(&db).await;
        assert_eq!(db.store.find_tenant(&"acme".into()).await.unwrap(), Some(tenant("acme")));
        let mut tx = db.store.begin().await.unwrap();
        assert!(!tx.insert_tenant(&tenant("acme")).await.unwrap(), "the id is taken");
    })
    .await;
}

#[tokio::test]
async fn nodes_that_open_together_migrate_once() {
    on_every_database(Vec::new, async |db| {
        let nodes = (0..4).map(|_| SeaStore::open(&db.url, Vec::new()));
        for node in futures::future::join_all(nodes).await {
            node.unwrap().close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn fresh_database_opened_by_many_works_for_all() {
    let path = std::env::temp_dir().join(format!("nat_open_{}.db", std::process::id()));
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let nodes = (0..4).map(|_| SeaStore::open(&url, Vec::new()));
    for node in futures::future::join_all(nodes).await {
        node.unwrap().close().await;
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn memory_database_is_one_for_reads_and_writes() {
    let store = SeaStore::open("sqlite::memory:", Vec::new()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_tenant(&tenant("acme")).await.unwrap());
    tx.commit().await.unwrap();
    assert!(store.find_tenant(&"acme".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn parallel_takes_stop_at_the_limit() {
    on_every_database(Vec::new, async |db| {
        let id = with_tenant(&db).await;
        let takes = (0..30).map(|_| async {
            let mut tx = db.store.begin().await.unwrap();
            tx.lock_tenant(&id).await.unwrap();
            let taken = tx.take_unit(&id, QuotaKind::Functional, noon(), Some(7)).await.unwrap();
            tx.commit().await.unwrap();
            taken
        });
        let mut taken: Vec<u32> = futures::future::join_all(takes).await.into_iter().flatten().collect();
        taken.sort_unstable();
        assert_eq!(taken, (1..=7).collect::<Vec<_>>());
        assert_eq!(db.store.usage_counts(&id, noon()).await.unwrap().functional, 7);
        let mut tx = db.store.begin().await.unwrap();
        assert_eq!(tx.give_back_unit(&id, QuotaKind::Functional, noon()).await.unwrap(), 6);
        assert_eq!(tx.give_back_unit(&id, QuotaKind::Security, noon()).await.unwrap(), 0);
        assert_eq!(tx.take_unit(&id, QuotaKind::Security, noon(), Some(0)).await.unwrap(), None);
        assert_eq!(tx.take_unit(&id, QuotaKind::Security, noon(), None).await.unwrap(), Some(1));
    })
    .await;
}

#[tokio::test]
async fn ledger_takes_one_line_a_phase() {
    on_every_database(Vec::new, async |db| {
        let id = with_tenant(&db).await;
        let mut tx = db.store.begin().await.unwrap();
        let mut line = LedgerEntry {
            at: noon(),
            kind: QuotaKind::Security,
            delta: 1,
            scan_id: "scan_1".into(),
            reason: LedgerReason::Reserved,
            balance: 1,
        };
        assert!(tx.insert_ledger_entry(&id, noon(), &line).await.unwrap());
        assert!(!tx.insert_ledger_entry(&id, noon(), &line).await.unwrap());
        line.reason = LedgerReason::Cancelled;
        assert!(tx.insert_ledger_entry(&id, noon(), &line).await.unwrap());
        line.reason = LedgerReason::EngineError;
        assert!(!tx.insert_ledger_entry(&id, noon(), &line).await.unwrap(), "released once already");
        let found = tx.find_reservation(&id, &"scan_1".into()).await.unwrap().unwrap();
        assert_eq!((found.kind, found.committed, found.released), (QuotaKind::Security, false, true));
        assert_eq!(tx.find_reservation(&"other".into(), &"scan_1".into()).await.unwrap(), None);
        tx.commit().await.unwrap();
        let lines = db.store.list_ledger(&id, noon(), None, 10).await.unwrap();
        assert_eq!(lines.len(), 2);
        let rest = db.store.list_ledger(&id, noon(), Some(lines[0].seq), 10).await.unwrap();
        assert_eq!(rest, lines[1..]);
    })
    .await;
}

#[tokio::test]
async fn audit_log_refuses_change() {
    on_every_database(Vec::new, async |db| {
        let actor = Actor::system("acme".into(), "free".into());
        let entry = AuditEntry::by(&actor, "scan.started", "scan_1", serde_json::json!({"url": "x"}), noon());
        let mut tx = db.store.begin().await.unwrap();
        tx.append_audit(&entry).await.unwrap();
        tx.commit().await.unwrap();
        for sql in ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry"] {
            let refused = db.store.write.execute_unprepared(sql).await.unwrap_err();
            assert!(refused.to_string().contains("append-only"), "{refused}");
        }
        let log = db.store.list_audit(&"acme".into(), None, 10).await.unwrap();
        assert_eq!(log.into_iter().map(|line| line.row).collect::<Vec<_>>(), [entry]);
        assert!(db.store.list_audit(&"other".into(), None, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn key_updated_by_version_only_once() {
    on_every_database(Vec::new, async |db| {
        let id = with_tenant(&db).await;
        let key = crate::store::StoredKey {
            tenant_id: id.clone(),
            key: crate::access::ApiKey {
                id: "k1".into(),
                name: "first".to_owned(),
                scopes: crate::Scope::ALL.iter().copied().collect(),
                created_at: noon(),
                last_used_at: None,
                expires_at: None,
                revoked_at: None,
            },
            secret_hash: [7; 32],
            rotated_at: None,
            version: 0,
        };
        let mut tx = db.store.begin().await.unwrap();
        assert!(tx.insert_key(&key).await.unwrap());
        let revoked = crate::store::StoredKey {
            key: crate::access::ApiKey { revoked_at: Some(noon()), ..key.key.clone() },
            ..key.clone()
        };
        assert!(tx.update_key(&revoked).await.unwrap());
        assert!(!tx.update_key(&revoked).await.unwrap(), "the version has moved on");
        tx.commit().await.unwrap();
        let later = noon() + TimeDelta::minutes(1);
        db.store.touch_keys(&[("k1".into(), later), ("k1".into(), noon()), ("none".into(), noon())]).await.unwrap();
        let (stored, owner) = db.store.find_key_for_auth(&"k1".into()).await.unwrap().unwrap();
        assert_eq!((stored.version, stored.key.revoked_at, stored.key.last_used_at), (1, Some(noon()), Some(later)));
        assert_eq!((stored.secret_hash, stored.key.scopes, owner), ([7; 32], key.key.scopes, tenant("acme")));
        assert_eq!(db.store.list_keys(&"other".into()).await.unwrap(), []);
    })
    .await;
}
