//! B51 to B57: registering tenants.

use chrono::TimeDelta;
use nat_billing::{
    BillingSettings,
    service::{StartCheckout, SyncTenant},
    store::BillingStore,
};
use nat_core::{
    ErrorCode, Scope, TenantId,
    db::testing::on_every_database,
    secret::{ExposeSecret, SecretString},
    store::CoreStore,
};

use crate::world::{SYNC_KEY, World, code, input, settings};

#[tokio::test]
async fn b51_unset_or_short_sync_key_is_not_configured() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let short = &SYNC_KEY[..31];
        for (wanted, shown) in [(None, None), (None, Some("")), (Some(""), Some("")), (Some(short), Some(short))] {
            let settings = BillingSettings { sync_key: wanted.map(SecretString::from), ..settings() };
            let error = World::bare(database.store.clone(), settings).billing.authorize_sync(shown).unwrap_err();
            assert_eq!(
                serde_json::to_string(&error.body()).unwrap(),
                r#"{"error":"SYNC_NOT_CONFIGURED","message":"NAT_APP_SYNC_KEY is not configured. Set this environment variable to enable tenant synchronization.","status":503}"#
            );
        }
    })
    .await;
}

#[tokio::test]
async fn b52_wrong_sync_key_is_refused_and_no_key_opens_the_others_door() {
    // The wire's half, a tenant's key at sync-tenant and the sync key at a tenant's route: nat-rest's
    // `b52_sync_key_and_api_keys_do_not_open_each_others_routes`.
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        w.billing.authorize_sync(Some(SYNC_KEY)).unwrap();
        for shown in [None, Some(""), Some("wrong"), Some(&SYNC_KEY[1..]), Some(&*format!("{SYNC_KEY} "))] {
            assert_eq!(code(w.billing.authorize_sync(shown)), Some(ErrorCode::InvalidSyncKey), "{shown:?}");
        }
        let synced = w.billing.sync_tenant(input("t_1"), None).await.unwrap();
        let verdict = w.billing.authorize_sync(Some(synced.key.secret.expose_secret()));
        assert_eq!(code(verdict), Some(ErrorCode::InvalidSyncKey));
        assert_eq!(code(w.keys.authenticate(SYNC_KEY).await), Some(ErrorCode::InvalidApiKey));
    })
    .await;
}

#[tokio::test]
async fn b53_missing_fields_have_the_published_message() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let check = async |input: SyncTenant, wanted: &str| {
            let error = w.billing.sync_tenant(input, None).await.unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::ValidationError, wanted));
        };
        check(SyncTenant::default(), "Fields 'tenant_id' and 'email' are required.").await;
        check(SyncTenant { tenant_id: None, ..input("x") }, "Field 'tenant_id' is required.").await;
        check(SyncTenant { email: Some(String::new()), ..input("x") }, "Field 'email' is required.").await;
    })
    .await;
}

#[tokio::test]
async fn b54_twenty_parallel_calls_make_one_tenant_and_one_key() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let calls = (0..20).map(|_| w.billing.sync_tenant(input("t_race"), None));
        let codes: Vec<_> = futures::future::join_all(calls).await.into_iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
        assert!(codes.iter().flatten().all(|code| *code == ErrorCode::TenantAlreadyExists), "{codes:?}");
        let tenant_id = TenantId::from("t_race");
        assert_eq!(w.store.list_keys(&tenant_id).await.unwrap().len(), 1);
        assert_eq!(w.audit("t_race").await, ["tenant.created"], "one line for one change");
    })
    .await;
}

#[tokio::test]
async fn b54_made_tenant_can_be_used_at_once() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let pro = SyncTenant { plan: Some("pro".into()), ..input("t_1") };
        let synced = w.billing.sync_tenant(pro, None).await.unwrap();
        let actor = w.keys.authenticate(synced.key.secret.expose_secret()).await.unwrap();
        assert_eq!((actor.tenant_id.as_str(), actor.plan_id.as_str()), ("t_1", "pro"));
        assert_eq!(actor.scopes.len(), Scope::ALL.len(), "the first key has every scope");
        assert_eq!(w.row("t_1").await, synced.tenant);
    })
    .await;
}

#[tokio::test]
async fn b55_lost_answer_can_be_had_again_by_its_caller_only() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let call = async |input: SyncTenant, key: Option<&str>| w.billing.sync_tenant(input, key).await;
        let first = call(input("t_1"), Some("retry-1")).await.unwrap();
        let secret = first.key.secret.expose_secret();
        for _ in 0..3 {
            let again = call(input("t_1"), Some("retry-1")).await.unwrap();
            assert_eq!((again.key.secret.expose_secret(), &again.tenant), (secret, &first.tenant));
            assert_eq!(again.key.key.id, first.key.key.id);
        }
        w.keys.authenticate(secret).await.unwrap();
        assert_eq!(w.store.list_keys(&first.tenant.id).await.unwrap().len(), 1, "no second key was made");

        let other_input = SyncTenant { email: Some("b@example.test".into()), ..input("t_1") };
        for (input, key) in [(input("t_1"), None), (input("t_1"), Some("retry-2")), (other_input, Some("retry-1"))] {
            assert_eq!(code(call(input, key).await), Some(ErrorCode::TenantAlreadyExists), "{key:?}");
        }
        w.advance(TimeDelta::hours(24));
        assert_eq!(code(call(input("t_1"), Some("retry-1")).await), Some(ErrorCode::TenantAlreadyExists));
        for key in ["", "a b", "ä", &"x".repeat(256)] {
            assert_eq!(code(call(input("t_2"), Some(key)).await), Some(ErrorCode::ValidationError), "{key:?}");
        }
        // What is kept is sealed, and goes away.
        w.billing.sweep().await.unwrap();
        assert_eq!(w.store.find_replay(&first.tenant.id, first.tenant.created_at).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn b56_second_call_with_other_data_changes_nothing_and_is_audited() {
    // Decision: E8 is published to the byte, so it gets no `diff`; what differs is in the tenant's audit log. There is
    // no PUT: nothing published promises one, and each field has its own way to change.
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        w.tenant("t_1", "free").await;
        let before = w.row("t_1").await;
        let other = SyncTenant { email: Some("b@example.test".into()), plan: Some("team".into()), ..input("t_1") };
        let error = w.billing.sync_tenant(other, None).await.unwrap_err();
        assert_eq!(
            serde_json::to_string(&error.body()).unwrap(),
            r#"{"error":"TENANT_ALREADY_EXISTS","message":"A tenant with this ID is already registered.","status":409}"#
        );
        assert_eq!(w.row("t_1").await, before);
        let lines = w.store.list_audit(&before.id, None, 10).await.unwrap();
        assert_eq!(lines[0].row.action, "tenant.sync_refused");
        assert_eq!(lines[0].row.detail["differs"], serde_json::json!(["email", "plan"]));
        // The same data again is not worth a line.
        assert_eq!(code(w.billing.sync_tenant(input("t_1"), None).await), Some(ErrorCode::TenantAlreadyExists));
        assert_eq!(w.audit("t_1").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn b57_sync_never_overwrites_so_its_order_cannot_matter() {
    // Decision: sync-tenant only registers. There is no `updated_at` to compare, because no call changes a tenant.
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let newer = SyncTenant { name: Some("New".into()), ..input("t_1") };
        let older = SyncTenant { name: Some("Old".into()), ..input("t_1") };
        w.billing.sync_tenant(newer, None).await.unwrap();
        assert_eq!(code(w.billing.sync_tenant(older, None).await), Some(ErrorCode::TenantAlreadyExists));
        assert_eq!(w.row("t_1").await.name.as_deref(), Some("New"));
    })
    .await;
}

#[tokio::test]
async fn b48_without_stripe_billing_is_not_configured_and_the_rest_works() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let mut actor = w.tenant("t_1", "free").await;
        assert_eq!(code(w.billing.require_gateway()), Some(ErrorCode::BillingNotConfigured));
        for wanted in [ErrorCode::BillingNotConfigured, ErrorCode::Forbidden] {
            assert_eq!(code(w.billing.checkout(&actor, StartCheckout::default()).await), Some(wanted));
            assert_eq!(code(w.billing.portal(&actor, None).await), Some(wanted));
            actor.scopes.remove(&Scope::BillingWrite);
        }
        assert_eq!(w.billing.status(&actor, None).await.unwrap().plan_id.as_str(), "free");
        let no_hook = BillingSettings { webhook_secrets: Vec::new(), ..settings() };
        let unset = World::bare((*w.store).clone(), no_hook);
        assert_eq!(code(unset.deliver(b"{}").await), Some(ErrorCode::BillingNotConfigured));
        // What an event asks for is kept until there is a gateway.
        w.deliver(br#"{"id":"evt_1","data":{"object":{"customer":"cus_1"}}}"#).await.unwrap();
        assert!(w.store.is_work_left("cus_1").await.unwrap());
        assert_eq!(w.summary(&actor).await.scans_remaining, Some(50));
    })
    .await;
}
