use chrono::TimeDelta;
use nat_core::{
    ErrorCode, KeyId, Scope, Scopes,
    access::{CreateApiKey, NewApiKey},
    db::testing::on_every_database,
    secret::{ExposeSecret, SecretString},
    store::{CoreStore, StoredKey},
};

use crate::world::{World, code, with_scopes};

fn named(name: &str) -> CreateApiKey {
    CreateApiKey { name: name.to_owned(), ..CreateApiKey::default() }
}

#[tokio::test]
async fn malformed_key_never_reaches_the_store() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (_, key) = w.tenant("acme", "free").await;
        let good = key.secret.expose_secret();
        let mut wrong_checksum = good.to_owned();
        wrong_checksum.replace_range(50.., if good.ends_with('a') { "b" } else { "a" });
        for raw in [
            "",
            " ",
            "nat_pk_",
            "nat_pk_doesnotexist",
            &good[..48],
            &wrong_checksum,
            &format!(" {good}"),
            &format!("{good}\n"),
            &format!("\"{good}\""),
            &format!("Bearer {good}"),
            &format!("{good}\u{a0}"),
            &good.replace("nat_pk_", "nat_sk_"),
            &good.to_uppercase(),
            &"x".repeat(1_000_000),
        ] {
            assert_eq!(code(w.keys.authenticate(raw).await), Some(ErrorCode::InvalidApiKey), "{raw:.60}");
        }
        assert_eq!(w.store.lookups(), 0);
        assert!(w.authenticates(&key).await);
        assert_eq!(w.store.lookups(), 1);
    })
    .await;
}

#[tokio::test]
async fn every_refusal_has_the_same_body_and_its_reason_is_in_the_audit_log() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, first) = w.tenant("acme", "free").await;
        let (_, foreign) = World::new(&db.store).tenant("other", "free").await;
        let expires_at = Some(w.now() + TimeDelta::seconds(1));
        let expired = w.keys.create(&actor, CreateApiKey { expires_at, ..named("short") }).await.unwrap();
        let revoked = w.keys.create(&actor, named("revoked")).await.unwrap();
        w.keys.revoke(&actor, &revoked.key.id).await.unwrap();
        w.wait_ms(999);
        assert!(w.authenticates(&expired).await);
        w.wait_ms(1);
        let unknown = NewApiKey { secret: SecretString::from("nat_pk_x"), key: foreign.key };
        let mut bodies = Vec::new();
        for key in [&expired, &revoked, &unknown] {
            for _ in 0..3 {
                let error = w.keys.authenticate(key.secret.expose_secret()).await.unwrap_err();
                bodies.push(serde_json::to_string(&error.body()).unwrap());
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert!(w.authenticates(&first).await);
        w.keys.flush().await.unwrap();
        w.keys.flush().await.unwrap();
        let reasons: Vec<String> = w
            .store
            .list_audit(&actor.tenant_id, None, 100)
            .await
            .unwrap()
            .into_iter()
            .filter(|line| line.row.action == "key.refused")
            .map(|line| format!("{} {}", line.row.subject, line.row.detail["reason"].as_str().unwrap()))
            .collect();
        let mut wanted = [format!("{} expired", expired.key.id), format!("{} revoked", revoked.key.id)];
        wanted.sort();
        let mut found = reasons.clone();
        found.sort();
        assert_eq!(found, wanted, "one line a minute, key and reason");
    })
    .await;
}

#[tokio::test]
async fn revoked_key_dies_at_once_here_and_within_the_cache_time_elsewhere() {
    on_every_database(Vec::new, async |db| {
        let (here, there) = (World::new(&db.store), World::new(&db.store));
        let (actor, key) = here.tenant("acme", "free").await;
        assert!(there.authenticates(&key).await && here.authenticates(&key).await, "on every node at once");
        let lookups = here.store.lookups();
        here.wait_ms(499);
        assert!(here.authenticates(&key).await);
        assert_eq!(here.store.lookups(), lookups, "from the cache");
        here.keys.revoke(&actor, &key.key.id).await.unwrap();
        assert!(!here.authenticates(&key).await);
        there.wait_ms(499);
        assert!(there.authenticates(&key).await, "the other node's answer is still fresh");
        there.wait_ms(1);
        assert!(!there.authenticates(&key).await);
        here.keys.revoke(&actor, &key.key.id).await.unwrap();
        assert_eq!(here.audit(&actor).await, ["key.revoked"], "repeating it changes nothing");
        assert_eq!(code(here.keys.revoke(&actor, &KeyId::from("0000000000")).await), Some(ErrorCode::NotFound));
    })
    .await;
}

#[tokio::test]
async fn store_that_is_down_is_a_503_and_never_a_401() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (_, key) = w.tenant("acme", "free").await;
        assert!(w.authenticates(&key).await);
        w.store.set_down(true);
        assert!(w.authenticates(&key).await, "served from the cache");
        w.wait_ms(500);
        assert_eq!(code(w.keys.authenticate(key.secret.expose_secret()).await), Some(ErrorCode::Unavailable));
        assert!(w.keys.flush().await.is_err());
        w.store.set_down(false);
        assert!(w.authenticates(&key).await);
    })
    .await;
}

#[tokio::test]
async fn last_use_is_kept_to_the_minute_and_survives_a_failed_flush() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, key) = w.tenant("acme", "free").await;
        w.wait_ms(30_000);
        for _ in 0..50 {
            assert!(w.authenticates(&key).await);
        }
        w.store.set_down(true);
        assert!(w.keys.flush().await.is_err());
        w.store.set_down(false);
        w.keys.flush().await.unwrap();
        let last_used = async || w.keys.list(&actor).await.unwrap()[0].last_used_at;
        assert_eq!(last_used().await, Some("2025-01-31T12:00:00Z".parse().unwrap()));
        let stale = [(key.key.id.clone(), "2025-01-31T11:00:00Z".parse().unwrap())];
        w.store.touch_keys(&stale).await.unwrap();
        assert_eq!(last_used().await, Some("2025-01-31T12:00:00Z".parse().unwrap()), "never backwards");
    })
    .await;
}

#[tokio::test]
async fn rotation_kills_the_old_key_at_once_or_after_the_grace() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, first) = w.tenant("acme", "free").await;
        assert!(w.authenticates(&first).await);
        let second = w.keys.rotate(&actor, &first.key.id, None).await.unwrap();
        assert!(!w.authenticates(&first).await && w.authenticates(&second).await);
        assert_eq!((second.key.name, second.key.scopes), (first.key.name, first.key.scopes));
        assert_eq!(code(w.keys.rotate(&actor, &first.key.id, None).await), Some(ErrorCode::KeyNotActive));

        let third = w.keys.rotate(&actor, &second.key.id, Some(3_600)).await.unwrap();
        assert_eq!(code(w.keys.rotate(&actor, &second.key.id, Some(0)).await), Some(ErrorCode::KeyNotActive));
        let second = NewApiKey { secret: second.secret, key: third.key.clone() };
        w.wait_ms(3_599_999);
        assert!(w.authenticates(&second).await);
        w.wait_ms(1);
        assert!(!w.authenticates(&second).await && w.authenticates(&third).await);

        let expires_at = Some(w.now() + TimeDelta::minutes(10));
        let short = w.keys.create(&actor, CreateApiKey { expires_at, ..named("short") }).await.unwrap();
        let successor = w.keys.rotate(&actor, &short.key.id, Some(86_400)).await.unwrap();
        assert_eq!(successor.key.expires_at, expires_at, "the successor inherits the expiry");
        w.wait_ms(600_000);
        assert!(!w.authenticates(&short).await, "no longer than it would have lived");
        assert_eq!(code(w.keys.rotate(&actor, &successor.key.id, None).await), Some(ErrorCode::KeyNotActive));
        for grace in [-1, 604_801, i64::MAX] {
            let refused = w.keys.rotate(&actor, &third.key.id, Some(grace)).await;
            assert_eq!(code(refused), Some(ErrorCode::ValidationError));
        }
        assert_eq!(w.audit(&actor).await, ["key.rotated", "key.rotated", "key.created", "key.rotated"]);
    })
    .await;
}

#[tokio::test]
async fn rotations_at_once_have_one_winner() {
    on_every_database(Vec::new, async |db| {
        let (a, b) = (World::new(&db.store), World::new(&db.store));
        let (actor, key) = a.tenant("acme", "free").await;
        let calls = (0..10).map(|n| {
            let world = if n % 2 == 0 { &a } else { &b };
            world.keys.rotate(&actor, &key.key.id, Some(600))
        });
        let codes: Vec<_> = futures::future::join_all(calls).await.into_iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
        assert!(codes.iter().flatten().all(|code| *code == ErrorCode::KeyNotActive), "{codes:?}");
        assert_eq!(a.keys.list(&actor).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more_than_its_maker() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (all, first) = w.tenant("acme", "free").await;
        let made = w.keys.create(&all, named("ci")).await.unwrap();
        let wanted: Scopes =
            [Scope::UsageRead, Scope::ScansRead, Scope::ScansWrite, Scope::BillingWrite, Scope::SchemaRead].into();
        assert_eq!(made.key.scopes, wanted, "all but keys:*");
        let minter = with_scopes(&all, &[Scope::KeysWrite, Scope::ScansRead]);
        let ask = |scopes: &[&str]| CreateApiKey {
            scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
            ..named("x")
        };
        let made = w.keys.create(&minter, ask(&["scans:read", "scans:read"])).await.unwrap();
        assert_eq!(made.key.scopes, Scopes::from([Scope::ScansRead]));
        let refused = w.keys.create(&minter, ask(&["scans:read", "scans:write"])).await.unwrap_err();
        assert_eq!((refused.code, &refused.body()["required_scope"]), (ErrorCode::Forbidden, &"scans:write".into()));
        let rotation = w.keys.rotate(&minter, &first.key.id, None).await;
        assert_eq!(code(rotation), Some(ErrorCode::Forbidden), "a rotation shows the successor to its maker");
        for input in [ask(&[]), ask(&["scans:all"]), named(""), named("  "), named("a\nb"), named(&"x".repeat(101))] {
            assert_eq!(code(w.keys.create(&all, input).await), Some(ErrorCode::ValidationError));
        }
        let past = CreateApiKey { expires_at: Some(w.now()), ..named("late") };
        assert_eq!(code(w.keys.create(&all, past).await), Some(ErrorCode::ValidationError));

        let reader = with_scopes(&all, &[Scope::ScansRead]);
        assert_eq!(code(w.keys.list(&reader).await), Some(ErrorCode::Forbidden));
        assert_eq!(code(w.keys.create(&reader, named("x")).await), Some(ErrorCode::Forbidden));
        assert_eq!(code(w.keys.revoke(&reader, &first.key.id).await), Some(ErrorCode::Forbidden));
        assert_eq!(code(w.keys.rotate(&reader, &first.key.id, None).await), Some(ErrorCode::Forbidden));
    })
    .await;
}

#[tokio::test]
async fn another_tenants_key_does_not_exist() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (a, key) = w.tenant("a", "free").await;
        let (b, _) = w.tenant("b", "free").await;
        assert_eq!(code(w.keys.revoke(&b, &key.key.id).await), Some(ErrorCode::NotFound));
        assert_eq!(code(w.keys.rotate(&b, &key.key.id, None).await), Some(ErrorCode::NotFound));
        assert!(w.authenticates(&key).await);
        assert_eq!(w.keys.list(&a).await.unwrap(), std::slice::from_ref(&key.key));
        assert_eq!(w.keys.list(&b).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn list_is_limited_and_drops_revoked_keys_first() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, first) = w.tenant("acme", "free").await;
        let mut tx = w.store.begin().await.unwrap();
        for n in 0..1_001_u32 {
            let mut key = first.key.clone();
            key.id = KeyId::new(format!("k{n:09}"));
            key.created_at += TimeDelta::seconds(i64::from(n) + 1);
            key.revoked_at = Some(key.created_at);
            let tenant_id = actor.tenant_id.clone();
            let stored = StoredKey { tenant_id, key, secret_hash: [0; 32], rotated_at: None, version: 0 };
            assert!(tx.insert_key(&stored).await.unwrap());
        }
        tx.commit().await.unwrap();
        let keys = w.keys.list(&actor).await.unwrap();
        assert_eq!((keys.len(), &keys[0]), (1_000, &first.key), "the key that works stays, and is the oldest");
        assert_eq!((keys[1].id.as_str(), keys[999].id.as_str()), ("k000000002", "k000001000"));
    })
    .await;
}

#[tokio::test]
async fn active_keys_are_limited() {
    on_every_database(Vec::new, async |db| {
        let w = World::new(&db.store);
        let (actor, first) = w.tenant("acme", "free").await;
        for n in 1..100 {
            w.keys.create(&actor, named(&n.to_string())).await.unwrap();
        }
        assert_eq!(code(w.keys.create(&actor, named("x")).await), Some(ErrorCode::ValidationError));
        w.keys.revoke(&actor, &first.key.id).await.unwrap();
        w.keys.create(&actor, named("x")).await.unwrap();
    })
    .await;
}
