//! The use cases of billing over the real store: SQLite always, PostgreSQL when `NAT_TEST_POSTGRES` is set.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta};
use nat_billing::{
    Billing, BillingPorts, BillingSettings,
    service::{StartCheckout, SyncTenant},
    store::BillingStore,
    webhook::{inbox::StripeEvent, signature::sign},
};
use nat_core::{
    Actor, ErrorCode, PlanId, Result, Scope, TenantId,
    access::{ApiKeys, ApiKeysPorts},
    db::{SeaStore, testing::on_every_database},
    entropy::SeededEntropy,
    plan::PlanCatalogue,
    secret::{ExposeSecret, SecretString, Vault},
    store::CoreStore,
    time::{Clock, ManualClock},
};

const SYNC_KEY: &str = "sync_key_of_at_least_thirty_two_characters";
const HOOK_SECRET: &str = "whsec_of_the_test";

struct World {
    billing: Billing,
    keys: ApiKeys,
    store: Arc<SeaStore>,
    clock: Arc<ManualClock>,
}

fn world(store: SeaStore, sync_key: Option<&str>, webhook_secrets: &[&str]) -> World {
    let store = Arc::new(store);
    let plans = Arc::new(PlanCatalogue::published());
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
    let entropy = Arc::new(SeededEntropy::new(1));
    let keys = ApiKeys::new(ApiKeysPorts {
        store: store.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
    let billing = Billing::new(BillingPorts {
        store: store.clone(),
        keys: keys.clone(),
        plans,
        clock: clock.clone(),
        entropy,
        vault: Arc::new(Vault::new([7; 32])),
        gateway: None,
        settings: BillingSettings {
            sync_key: sync_key.map(SecretString::from),
            webhook_secrets: webhook_secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
            ..BillingSettings::default()
        },
    });
    World { billing, keys, store, clock }
}

fn input(tenant_id: &str) -> SyncTenant {
    SyncTenant {
        tenant_id: Some(tenant_id.into()),
        email: Some("a@example.test".into()),
        plan: Some("pro".into()),
        ..SyncTenant::default()
    }
}

fn code<T>(result: Result<T>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}

#[tokio::test]
async fn sync_makes_a_tenant_whose_key_works_at_once() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = world(database.store, Some(SYNC_KEY), &[]);
        let synced = w.billing.sync_tenant(input("t_1"), None).await.unwrap();
        let actor = w.keys.authenticate(synced.key.secret.expose_secret()).await.unwrap();
        assert_eq!((actor.tenant_id.as_str(), actor.plan_id.as_str()), ("t_1", "pro"));
        assert_eq!(actor.scopes.len(), Scope::ALL.len(), "the first key has every scope");
        assert_eq!(w.store.find_tenant(&synced.tenant.id).await.unwrap(), Some(synced.tenant.clone()));
        let audit = w.store.list_audit(&synced.tenant.id, None, 10).await.unwrap();
        assert_eq!(audit.len(), 1, "one line for one change");
        assert_eq!((&*audit[0].row.action, audit[0].row.actor.as_str()), ("tenant.created", "sync"));
        assert!(!format!("{audit:?}").contains(synced.key.secret.expose_secret()));

        assert_eq!(code(w.billing.sync_tenant(input("t_1"), None).await), Some(ErrorCode::TenantAlreadyExists));
        assert_eq!(w.store.list_keys(&synced.tenant.id).await.unwrap().len(), 1, "the refused call left no key");
    })
    .await;
}

#[tokio::test]
async fn sync_in_parallel_has_one_winner() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = world(database.store, Some(SYNC_KEY), &[]);
        let calls = (0..20).map(|_| w.billing.sync_tenant(input("t_race"), None));
        let codes: Vec<_> = futures::future::join_all(calls).await.into_iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
        assert!(codes.iter().flatten().all(|code| *code == ErrorCode::TenantAlreadyExists), "{codes:?}");
        assert_eq!(w.store.list_keys(&TenantId::from("t_race")).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn sync_key_is_compared_and_must_be_configured() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let authorize = |wanted: Option<&str>, shown: Option<&str>| {
            code(world(database.store.clone(), wanted, &[]).billing.authorize_sync(shown))
        };
        assert_eq!(authorize(Some(SYNC_KEY), Some(SYNC_KEY)), None);
        for shown in [None, Some(""), Some("wrong"), Some(&SYNC_KEY[1..]), Some(&format!("{SYNC_KEY} "))] {
            assert_eq!(authorize(Some(SYNC_KEY), shown), Some(ErrorCode::InvalidSyncKey), "{shown:?}");
        }
        let short = &SYNC_KEY[..31];
        for (wanted, shown) in [(None, None), (None, Some("")), (Some(""), Some("")), (Some(short), Some(short))] {
            assert_eq!(authorize(wanted, shown), Some(ErrorCode::SyncNotConfigured), "{wanted:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn webhook_is_verified_then_read_then_recorded_once() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = world(database.store, None, &["whsec_new", HOOK_SECRET]);
        let secret = SecretString::from(HOOK_SECRET);
        let send = async |payload: &[u8]| {
            w.billing.accept_webhook(payload, Some(&sign(payload, &secret, w.clock.now()))).await
        };
        let event = br#"{"id":"evt_1","type":"some.future.type","data":{"object":{"customer":"cus_1"}}}"#;
        for _ in 0..3 {
            send(event).await.unwrap();
        }
        assert_eq!(code(send(b"not json").await), Some(ErrorCode::MalformedJson));
        assert_eq!(code(send(b"{}").await), Some(ErrorCode::MalformedJson));
        for header in [None, Some("t=abc,v1=zz"), Some(&*sign(b"other", &secret, w.clock.now()))] {
            assert_eq!(code(w.billing.accept_webhook(event, header).await), Some(ErrorCode::InvalidSignature));
        }
        let header = sign(event, &secret, w.clock.now());
        w.clock.advance(TimeDelta::seconds(301));
        assert_eq!(code(w.billing.accept_webhook(event, Some(&header)).await), Some(ErrorCode::InvalidSignature));

        let unset = world((*w.store).clone(), None, &[]);
        assert_eq!(code(unset.billing.accept_webhook(event, None).await), Some(ErrorCode::BillingNotConfigured));
    })
    .await;
}

#[tokio::test]
async fn event_is_new_once_however_often_it_arrives() {
    on_every_database(nat_billing::db::migrations, async |database| {
        // Two nodes over one database.
        let other = SeaStore::open(&database.url, nat_billing::db::migrations()).await.unwrap();
        let event = StripeEvent::parse(br#"{"id":"evt_1"}"#).unwrap();
        let deliver = async |store: &SeaStore| {
            let mut tx = store.begin().await.unwrap();
            let new = store.record_event(tx.as_mut(), &event, DateTime::UNIX_EPOCH).await.unwrap();
            tx.commit().await.unwrap();
            new
        };
        // A crash after the claim and before the commit: the redelivery finds nothing and applies it.
        let mut crashed = database.store.begin().await.unwrap();
        assert!(database.store.record_event(crashed.as_mut(), &event, DateTime::UNIX_EPOCH).await.unwrap());
        drop(crashed);
        let deliveries = (0..25).flat_map(|_| [deliver(&database.store), deliver(&other)]);
        let new = futures::future::join_all(deliveries).await.into_iter().filter(|new| *new).count();
        assert_eq!(new, 1);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn checkout_and_portal_need_the_scope_and_a_gateway() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = world(database.store, None, &[]);
        let mut actor = Actor::system(TenantId::from("t"), PlanId::from("free"));
        assert_eq!(code(w.billing.require_gateway()), Some(ErrorCode::BillingNotConfigured));
        for wanted in [ErrorCode::BillingNotConfigured, ErrorCode::Forbidden] {
            let answers = HashSet::from([
                code(w.billing.checkout(&actor, StartCheckout::default()).await),
                code(w.billing.portal(&actor, None).await),
            ]);
            assert_eq!(answers, HashSet::from([Some(wanted)]));
            actor.scopes.remove(&Scope::BillingWrite);
        }
    })
    .await;
}
