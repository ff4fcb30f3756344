//! B1 to B8, B12, B13: what is taken as an event of Stripe's, and how often.

use chrono::{DateTime, TimeDelta};
use nat_billing::{
    BillingSettings,
    store::BillingStore,
    webhook::{inbox::StripeEvent, signature::sign},
};
use nat_core::{
    ErrorCode,
    db::{SeaStore, testing::on_every_database},
    secret::SecretString,
    store::CoreStore,
};

use crate::world::{HOOK_SECRET, World, code, settings};

const EVENT: &[u8] =
    br#"{"id":"evt_1","object":"event","type":"some.future.type","data":{"object":{"customer":"cus_1"}}}"#;
/// What Stripe's own SDK computes for this payload, secret and time.
const VECTOR: (&[u8], &str, i64, &str) = (
    br#"{"id":"evt_test_webhook","object":"event"}"#,
    "whsec_test_secret",
    1_700_000_000,
    "d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990",
);

fn with_secrets(secrets: &[&str]) -> BillingSettings {
    BillingSettings { webhook_secrets: secrets.iter().map(|text| SecretString::from(*text)).collect(), ..settings() }
}

#[tokio::test]
async fn b01_header_of_the_sdk_is_accepted() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let (payload, secret, second, tag) = VECTOR;
        let w = World::bare(database.store, with_secrets(&[secret]));
        w.advance(DateTime::from_timestamp(second, 0).unwrap() - w.now());
        w.billing.accept_webhook(payload, Some(&format!("t={second},v1={tag}"))).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn b02_one_right_v1_is_enough_and_nothing_else_counts() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let good = sign(EVENT, &SecretString::from(HOOK_SECRET), w.now());
        let (t, tag) = good.split_once(",v1=").unwrap();
        let wrong = "0".repeat(64);
        let check = async |header: String, accepted: bool| {
            let verdict = code(w.billing.accept_webhook(EVENT, Some(&header)).await);
            assert_eq!(verdict, (!accepted).then_some(ErrorCode::InvalidSignature), "{header}");
        };
        check(format!("{t},v1={wrong},v1={tag}"), true).await;
        check(format!("{t},v0={tag}"), false).await;
        check(format!("{t},v1={}", tag.to_uppercase()), false).await;
        check(format!("{t},v1={wrong}"), false).await;
    })
    .await;
}

#[tokio::test]
async fn b03_time_may_be_off_by_300_seconds_either_way() {
    // Decision: Stripe's Node SDK accepts a time far in the future; we refuse more than 300 s in both directions.
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        for (off_s, accepted) in [(-299, true), (-300, true), (-301, false), (300, true), (301, false), (86_400, false)]
        {
            let header = sign(EVENT, &SecretString::from(HOOK_SECRET), w.now() + TimeDelta::seconds(off_s));
            let verdict = w.billing.accept_webhook(EVENT, Some(&header)).await;
            assert_eq!(verdict.is_ok(), accepted, "{off_s}");
            if let Err(error) = verdict {
                assert!(error.message.contains("300"), "{}", error.message);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn b04_raw_bytes_are_verified() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let header = sign(EVENT, &SecretString::from(HOOK_SECRET), w.now());
        let same: serde_json::Value = serde_json::from_slice(EVENT).unwrap();
        let written_again = serde_json::to_vec_pretty(&same).unwrap();
        for changed in [written_again, [EVENT, b" "].concat(), EVENT[1..].to_vec(), [b"\xef\xbb\xbf", EVENT].concat()] {
            let verdict = code(w.billing.accept_webhook(&changed, Some(&header)).await);
            assert_eq!(verdict, Some(ErrorCode::InvalidSignature));
        }
        // Bytes that were signed are verified whatever they are; that they are no JSON is found afterwards.
        let zipped = b"\x1f\x8b\x08\x00signed but compressed";
        assert_eq!(code(w.deliver(zipped).await), Some(ErrorCode::MalformedJson));
    })
    .await;
}

#[tokio::test]
async fn b05_malformed_header_is_refused_with_its_reason() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store, settings());
        let (many, no_time) = (format!("t=1{}", ",v1=00".repeat(10_000)), format!("v1={}", "0".repeat(64)));
        for (header, reason) in [
            (None, "missing"),
            (Some(""), "missing"),
            (Some("t=abc,v1=00"), "not a number"),
            (Some(&*no_time), "no timestamp"),
            (Some("t=1"), "no v1"),
            (Some(&*many), "16 KiB"),
        ] {
            let error = w.billing.accept_webhook(EVENT, header).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidSignature);
            assert!(error.message.contains(reason), "{}", error.message);
        }
    })
    .await;
}

#[tokio::test]
async fn b06_secrets_are_rolled_without_a_gap() {
    // A secret with white space around it is trimmed and warned of at start: the root package's
    // `b06_secret_with_a_newline_is_trimmed_and_warned_of`.
    on_every_database(nat_billing::db::migrations, async |database| {
        let both = World::bare(database.store.clone(), with_secrets(&["whsec_new", "whsec_old"]));
        let new_only = World::bare(database.store, with_secrets(&["whsec_new"]));
        let (new, old) = ("whsec_new".into(), "whsec_old".into());
        let by = |secret: &SecretString| sign(EVENT, secret, both.now());
        both.billing.accept_webhook(EVENT, Some(&by(&new))).await.unwrap();
        both.billing.accept_webhook(EVENT, Some(&by(&old))).await.unwrap();
        new_only.billing.accept_webhook(EVENT, Some(&by(&new))).await.unwrap();
        let verdict = code(new_only.billing.accept_webhook(EVENT, Some(&by(&old))).await);
        assert_eq!(verdict, Some(ErrorCode::InvalidSignature), "the old secret is gone");
        // During a roll Stripe signs with both.
        let (_, tag) = by(&new).split_once(",v1=").map(|(t, tag)| (t.to_owned(), tag.to_owned())).unwrap();
        new_only.billing.accept_webhook(EVENT, Some(&format!("{},v1={tag}", by(&old)))).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn b12_same_event_arrives_fifty_times_and_is_new_once() {
    on_every_database(nat_billing::db::migrations, async |database| {
        // Two nodes over one database.
        let other = SeaStore::open(&database.url, nat_billing::db::migrations()).await.unwrap();
        let nodes = [World::bare(database.store.clone(), settings()), World::bare(other.clone(), settings())];
        let deliveries = (0..50).map(|n| nodes[n % 2].deliver(EVENT));
        for answer in futures::future::join_all(deliveries).await {
            answer.unwrap();
        }
        // One effect: one piece of work was asked for, once.
        let now = nodes[0].now();
        let work = database.store.claim_work(None, now, now + TimeDelta::seconds(60)).await.unwrap().unwrap();
        assert_eq!((work.customer_id.as_str(), work.wanted), ("cus_1", 1));
        assert_eq!(database.store.claim_work(None, now, now + TimeDelta::seconds(60)).await.unwrap(), None);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn b13_crash_between_claim_and_effect_loses_nothing() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let w = World::bare(database.store.clone(), settings());
        let event = StripeEvent::parse(EVENT).unwrap();
        // The id is written, then the process dies: the transaction is gone with it.
        let mut crashed = w.store.begin().await.unwrap();
        assert!(w.store.record_event(crashed.as_mut(), &event, w.now()).await.unwrap());
        drop(crashed);
        w.deliver(EVENT).await.unwrap();
        let lease = w.now() + TimeDelta::seconds(60);
        let claimed = w.store.claim_work(None, w.now(), lease).await.unwrap().unwrap();
        // The worker dies as well. When its lease is over another one takes the work, and the dead one's end of it
        // would not count any more.
        assert_eq!(w.store.claim_work(None, w.now(), lease).await.unwrap(), None);
        w.advance(TimeDelta::seconds(61));
        let again = w.store.claim_work(None, w.now(), w.now() + TimeDelta::seconds(60)).await.unwrap().unwrap();
        assert_eq!(again.wanted, claimed.wanted);
        let mut tx = w.store.begin().await.unwrap();
        let outcome = nat_billing::store::WorkOutcome::Done;
        assert!(!w.store.end_work(tx.as_mut(), &claimed, &outcome).await.unwrap());
        assert!(w.store.end_work(tx.as_mut(), &again, &outcome).await.unwrap());
        tx.commit().await.unwrap();
        assert!(!w.store.is_work_left("cus_1").await.unwrap());
    })
    .await;
}
