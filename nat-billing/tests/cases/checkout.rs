//! B31 to B35, B44 to B47, B49: what customers click, and what can go wrong with it.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use nat_billing::{
    BillingSettings, StripeGateway,
    redirect::RedirectPolicy,
    service::StartCheckout,
    testing::{Card, Fault, FaultKind, SubscriptionInit},
    webhook::signature::{SignatureError, check_time, sign, signed_at, verify},
};
use nat_core::{ErrorCode, Scope, secret::SecretString, store::CoreStore};
use serde_json::{Map, json};

use crate::{
    shop::{Shop, days, node, order, with_shop},
    world::{HOOK_SECRET, World, code, settings},
};

#[tokio::test]
async fn b31_of_two_paid_checkouts_one_is_kept_and_the_newer_refunded() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let first = shop.buy(&actor, "pro").await;
        // The answer to the cancellation will be lost on its way.
        let lost =
            Fault { method: Some("DELETE"), after_effect: true, ..Fault::on("/v1/subscriptions", FaultKind::Reset, 1) };
        shop.stripe.fault(lost);
        // Another session of ours that was open all the time, and is paid an hour later.
        let customer = shop.customer("t").await;
        shop.advance(TimeDelta::hours(1));
        let metadata = Map::from_iter([("tenant_id".to_owned(), json!("t"))]);
        let init = SubscriptionInit { metadata, ..SubscriptionInit::default() };
        let second = shop.stripe.subscribe(&customer, &["price_pro"], &init);
        shop.settle().await;
        shop.settle().await;
        assert_eq!(shop.stripe.subscription(&first)["status"], "active");
        assert_eq!(shop.stripe.subscription(&second)["status"], "canceled");
        let refunds = shop.stripe.all("refunds");
        assert_eq!((refunds.len(), &refunds[0]["amount"]), (1, &json!(4_900)));
        assert_eq!(shop.plan("t").await, "pro");
        // The refund is one more thing that a person may want to know of.
        assert_eq!(shop.alarms("t").await, ["several_subscriptions", "refunded"]);
        assert!(shop.audit("t").await.contains(&"billing.surplus_ended".to_owned()));
        // A second one that was made by hand is left alone, and told of.
        let by_hand = shop.stripe.subscribe(&customer, &["price_pro"], &SubscriptionInit::default());
        shop.settle().await;
        assert_eq!(shop.stripe.subscription(&by_hand)["status"], "active");
        assert_eq!(shop.alarms("t").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn b32_same_plan_is_refused_and_a_higher_one_is_switched_in_place() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        let error = shop.checkout(&actor, "pro").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PlanAlreadyActive);
        assert!(error.message.contains("POST /api/v1/billing/portal"), "{}", error.message);
        let offer = shop.checkout(&actor, "team").await.unwrap();
        assert!(offer.checkout_url.contains("billing.stripe"), "{offer:?}");
        assert!(shop.stripe.confirm_portal(&offer.session_id, Card::Good));
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team");
        assert_eq!(shop.stripe.all("subscriptions").len(), 1, "not a second subscription");
        assert_eq!(shop.status(&actor).await.subscription.unwrap().id, subscription);
        // Down again is the portal's matter.
        assert_eq!(code(shop.checkout(&actor, "pro").await), Some(ErrorCode::PlanAlreadyActive));
        // A late event does not matter: Stripe is asked before a second checkout is opened.
        let late = shop.tenant("late", "free").await;
        shop.buy(&late, "pro").await;
        let _ = shop.stripe.take_events();
        assert_eq!(code(shop.checkout(&late, "pro").await), Some(ErrorCode::PlanAlreadyActive));
    })
    .await;
}

#[tokio::test]
async fn b33_expired_session_is_forgotten_and_a_new_one_works() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let first = shop.checkout(&actor, "pro").await.unwrap();
        assert_eq!(first.expires_at, shop.now() + TimeDelta::hours(24));
        assert_eq!(shop.checkout(&actor, "pro").await.unwrap(), first, "an open session is handed out again");
        shop.advance(TimeDelta::hours(23) + TimeDelta::minutes(45));
        let second = shop.checkout(&actor, "pro").await.unwrap();
        assert_ne!(second.session_id, first.session_id, "too little time is left to pay");
        shop.pass(TimeDelta::hours(25)).await;
        assert_eq!(shop.stripe.pay_checkout(&second.session_id, Card::Good), None);
        let third = shop.checkout(&actor, "pro").await.unwrap();
        assert!(shop.stripe.pay_checkout(&third.session_id, Card::Good).is_some());
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn b33_another_order_closes_the_open_session() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let pro = shop.checkout(&actor, "pro").await.unwrap();
        let team = shop.checkout(&actor, "team").await.unwrap();
        assert_eq!(shop.stripe.pay_checkout(&pro.session_id, Card::Good), None, "one open session at a time");
        let back = StartCheckout { cancel_url: Some("https://app.example.test/other".into()), ..order("team") };
        let other = shop.billing.checkout(&actor, back).await.unwrap();
        assert_ne!(other.session_id, team.session_id);
        assert!(shop.stripe.pay_checkout(&other.session_id, Card::Good).is_some());
    })
    .await;
}

#[tokio::test]
async fn b34_customer_who_comes_back_before_the_webhook_sees_the_new_plan() {
    with_shop(async |shop| {
        let (ann, bob) = (shop.tenant("ann", "free").await, shop.tenant("bob", "free").await);
        let session = shop.checkout(&ann, "pro").await.unwrap();
        shop.checkout(&bob, "pro").await.unwrap();
        shop.stripe.pay_checkout(&session.session_id, Card::Good).unwrap();
        let status = shop.billing.status(&ann, Some(&session.session_id)).await.unwrap();
        assert_eq!((status.plan_id.as_str(), status.subscription.unwrap().status.as_str()), ("pro", "active"));
        for forged in [&*session.session_id, "cs_test_none", "../customers", ""] {
            let answer = shop.billing.status(&bob, Some(forged)).await;
            assert_eq!(code(answer), Some(ErrorCode::NotFound), "{forged:?}");
        }
        let stranger = shop.tenant("eve", "free").await;
        assert_eq!(code(shop.billing.status(&stranger, Some(&session.session_id)).await), Some(ErrorCode::NotFound));
        assert_eq!(shop.plan("bob").await, "free");
    })
    .await;
}

#[tokio::test]
async fn b35_event_before_our_binding_waits_for_its_tenant() {
    with_shop(async |shop| {
        // A customer that Stripe has and we have not written down: the process died in between.
        let customer = shop.stripe.create_customer("t@example.test", &[("tenant_id", "t")]);
        shop.stripe.subscribe(&customer, &["price_pro"], &SubscriptionInit::default());
        let nobody = shop.stripe.create_customer("x@example.test", &[]);
        shop.stripe.subscribe(&nobody, &["price_pro"], &SubscriptionInit::default());
        shop.settle().await;
        shop.pass(TimeDelta::hours(1)).await;
        shop.tenant("t", "free").await;
        shop.pass(TimeDelta::hours(1)).await;
        assert_eq!(shop.plan("t").await, "pro", "the tenant that the metadata names");
        // A customer of nobody is given up after three days, not before, and not silently.
        assert!(nat_billing::store::BillingStore::is_work_left(&*shop.store, &nobody).await.unwrap());
        shop.pass(days(4)).await;
        assert!(!nat_billing::store::BillingStore::is_work_left(&*shop.store, &nobody).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn b35_metadata_that_names_another_tenant_grants_nothing() {
    with_shop(async |shop| {
        shop.subscriber("ann", "pro").await;
        let (_, subscription) = shop.subscriber("bob", "pro").await;
        // Somebody writes another tenant into the metadata of a subscription.
        shop.stripe.change(&subscription, json!({"metadata": {"tenant_id": "ann"}}));
        shop.settle().await;
        assert_eq!((shop.plan("ann").await.as_str(), shop.plan("bob").await.as_str()), ("pro", "free"));
        assert_eq!(shop.alarms("bob").await, ["metadata_mismatch"]);
        // A second customer that claims to be a tenant who has one.
        let impostor = shop.stripe.create_customer("evil@example.test", &[("tenant_id", "ann")]);
        shop.stripe.subscribe(&impostor, &["price_team"], &SubscriptionInit::default());
        shop.settle().await;
        assert_eq!(shop.plan("ann").await, "pro");
        assert_eq!(shop.alarms("ann").await, ["metadata_mismatch"]);
    })
    .await;
}

#[tokio::test]
async fn b44_stripe_in_trouble_is_tried_again_with_the_same_key() {
    with_shop(async |shop| {
        let troubles = [FaultKind::Status(429), FaultKind::Status(500), FaultKind::Html(502), FaultKind::Reset];
        for (n, trouble) in troubles.into_iter().enumerate() {
            let actor = shop.tenant(&format!("t_{n}"), "free").await;
            // Twice, and the work of the second is done though its answer is lost.
            shop.stripe.fault(Fault::on("/v1/checkout/sessions", trouble, 1));
            shop.stripe.fault(Fault { after_effect: true, ..Fault::on("/v1/checkout/sessions", trouble, 1) });
            let before = shop.stripe.all("checkout/sessions").len();
            let session = shop.checkout(&actor, "pro").await.unwrap();
            let sessions = shop.stripe.all("checkout/sessions");
            assert_eq!(sessions.len(), before + 1, "no orphan, {trouble:?}");
            assert_eq!(sessions[before]["id"], *session.session_id);
            let tries = shop.stripe.requests();
            let keys: Vec<_> = tries.iter().rev().take(2).filter_map(|try_| try_.idempotency_key.as_deref()).collect();
            assert_eq!((keys.len(), keys[0]), (2, keys[1]), "{trouble:?}");
        }
        // For good: a documented answer, and nothing is left behind.
        let actor = shop.tenant("t_down", "free").await;
        shop.stripe.fault(Fault::on("/v1/checkout/sessions", FaultKind::Status(500), 100));
        let error = shop.checkout(&actor, "pro").await.unwrap_err();
        assert_eq!((error.code, error.retry_after_s), (ErrorCode::StripeUnavailable, Some(10)));
        shop.stripe.heal();
        let before = shop.stripe.all("checkout/sessions").len();
        shop.checkout(&actor, "pro").await.unwrap();
        assert_eq!(shop.stripe.all("checkout/sessions").len(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn b44_answer_that_does_not_come_is_not_waited_for() {
    with_shop(async |shop| {
        let (key, url) = (SecretString::from(crate::shop::STRIPE_KEY), shop.stripe.url());
        let gateway = StripeGateway::with_timeout(&key, Some(&url), Duration::from_millis(100)).unwrap();
        let world = World::new((*shop.store).clone(), shop.clock.clone(), Some(Arc::new(gateway)), settings());
        let hasty = Shop { world, stripe: shop.stripe.clone() };
        let actor = hasty.tenant("t", "free").await;
        // The session is made, and the answer to it stalls: the second attempt finds the first one's work.
        let stall = Fault::on("/v1/checkout/sessions", FaultKind::Stall(Duration::from_secs(600)), 1);
        hasty.stripe.fault(Fault { after_effect: true, ..stall.clone() });
        hasty.checkout(&actor, "pro").await.unwrap();
        assert_eq!(hasty.stripe.all("checkout/sessions").len(), 1);
        hasty.stripe.fault(Fault { times: 100, ..stall });
        let error = hasty.checkout(&actor, "team").await.unwrap_err();
        assert_eq!((error.code, error.retry_after_s), (ErrorCode::StripeUnavailable, Some(10)));
    })
    .await;
}

#[tokio::test]
async fn b44_answers_that_make_no_sense_are_unavailable_and_no_secret_is_told() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        for trouble in [FaultKind::Garbage, FaultKind::Status(401), FaultKind::Status(403)] {
            shop.stripe.fault(Fault::on("/v1/customers", trouble, 3));
            let error = shop.checkout(&actor, "pro").await.unwrap_err();
            assert!(error.code.status() >= 500, "{trouble:?} {error:?}");
            assert!(!format!("{error:?}").contains(crate::shop::STRIPE_KEY), "{error:?}");
            shop.stripe.heal();
        }
        shop.stripe.fault(Fault::on("/v1/customers", FaultKind::Stall(Duration::from_millis(50)), 1));
        shop.checkout(&actor, "pro").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn b45_two_first_checkouts_make_one_customer() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let calls = (0..8).map(|n| {
            let plan = if n % 2 == 0 { "pro" } else { "team" };
            shop.billing.checkout(&actor, order(plan))
        });
        let sessions: Vec<_> = futures::future::join_all(calls).await.into_iter().map(|call| call.unwrap()).collect();
        assert_eq!(shop.stripe.all("customers").len(), 1);
        let open: Vec<_> =
            shop.stripe.all("checkout/sessions").into_iter().filter(|session| session["status"] == "open").collect();
        assert_eq!(open.len(), 1, "of sessions for two plans one stays open");
        assert!(sessions.iter().any(|session| open[0]["id"] == *session.session_id));
        assert_eq!(open[0]["client_reference_id"], "t");
        assert_eq!(shop.audit("t").await.iter().filter(|action| *action == "billing.customer_bound").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn b46_redirects_go_only_where_they_may() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let long = format!("https://app.example.test/{}", "x".repeat(2_048));
        for url in [
            "javascript:alert(1)",
            "//evil.example/",
            "http://app.example.test/",
            "https://app.example.test/\r\nSet-Cookie: a=b",
            &long,
            "",
        ] {
            let checks = [
                code(
                    shop.billing
                        .checkout(&actor, StartCheckout { success_url: Some(url.into()), ..order("pro") })
                        .await,
                ),
                code(
                    shop.billing.checkout(&actor, StartCheckout { cancel_url: Some(url.into()), ..order("pro") }).await,
                ),
                code(shop.billing.portal(&actor, Some(url.into())).await),
            ];
            assert_eq!(checks, [Some(ErrorCode::ValidationError); 3], "{url:?}");
        }
        let listed = RedirectPolicy::Hosts(vec!["app.example.test".into()]);
        let strict = strict(&shop, listed);
        strict.checkout(&actor, "pro").await.unwrap();
        let elsewhere = StartCheckout { success_url: Some("https://evil.example/".into()), ..order("pro") };
        assert_eq!(code(strict.billing.checkout(&actor, elsewhere).await), Some(ErrorCode::ValidationError));
    })
    .await;
}

/// The same shop with another policy.
fn strict(shop: &Shop, redirects: RedirectPolicy) -> Shop {
    let settings = BillingSettings { redirects, ..settings() };
    let world = node((*shop.store).clone(), shop.clock.clone(), &shop.stripe, settings);
    Shop { world, stripe: shop.stripe.clone() }
}

#[tokio::test]
async fn b47_portal_before_any_checkout_is_a_409() {
    with_shop(async |shop| {
        let mut actor = shop.tenant("t", "free").await;
        let back = || Some("https://app.example.test/dashboard".to_owned());
        let error = shop.billing.portal(&actor, back()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NoBillingAccount);
        shop.buy(&actor, "pro").await;
        assert!(shop.billing.portal(&actor, back()).await.unwrap().starts_with("https://"));
        actor.scopes.remove(&Scope::BillingWrite);
        assert_eq!(code(shop.billing.portal(&actor, back()).await), Some(ErrorCode::Forbidden));
    })
    .await;
}

#[tokio::test]
async fn b49_clock_that_is_off_is_told_apart_and_measured() {
    // Decision: the answers of Stripe's client do not show the `Date` header. Stripe signs each delivery anew, so the
    // time in a signature that fits tells how far our clock is off: metric `nat_stripe_clock_skew_seconds`.
    with_shop(async |shop| {
        let (payload, secrets) = (br#"{"id":"evt_1"}"#, [SecretString::from(HOOK_SECRET)]);
        // The host is six minutes ahead of Stripe.
        let theirs = shop.now() - TimeDelta::minutes(6);
        let header = sign(payload, &secrets[0], theirs);
        let error = shop.billing.accept_webhook(payload, Some(&header)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidSignature);
        assert!(error.message.contains("clock"), "{}", error.message);
        assert_eq!(verify(payload, Some(&header), &secrets, shop.now()), Err(SignatureError::OutsideTolerance));
        let signed = signed_at(payload, Some(&header), &secrets).unwrap();
        assert_eq!((shop.now() - signed).num_seconds(), 360);
        assert_eq!(check_time(signed, theirs + TimeDelta::seconds(10)), Ok(()));
        // Whoever cannot sign is told nothing about our clock.
        let forged = header.replace("v1=", "v1=0");
        assert_eq!(signed_at(payload, Some(&forged), &secrets), Err(SignatureError::NoMatch));
    })
    .await;
}

#[tokio::test]
async fn orders_are_checked_in_the_documented_order() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let check = async |order: StartCheckout, wanted: ErrorCode, says: &str| {
            let error = shop.billing.checkout(&actor, order).await.unwrap_err();
            assert_eq!(error.code, wanted, "{error:?}");
            assert!(error.message.contains(says), "{}", error.message);
        };
        let nothing = StartCheckout::default();
        check(nothing, ErrorCode::ValidationError, "Fields 'plan', 'success_url' and 'cancel_url' are required.").await;
        let price = |price: &str| StartCheckout { plan: None, price_id: Some(price.into()), ..order("x") };
        check(price("price_nobody_knows"), ErrorCode::InvalidPriceId, "price_id").await;
        check(order("gold"), ErrorCode::ValidationError, "must be one of pro, team, enterprise").await;
        check(order("free"), ErrorCode::ValidationError, "must be one of").await;
        check(order("enterprise"), ErrorCode::BillingNotConfigured, "enterprise").await;
        check(
            StartCheckout { plan: Some("team".into()), ..price("price_pro") },
            ErrorCode::ValidationError,
            "same plan",
        )
        .await;
        for good in [
            price("price_pro_monthly"),
            price("price_pro"),
            StartCheckout { plan: Some("pro".into()), ..price("price_pro_monthly") },
        ] {
            let session = shop.billing.checkout(&actor, good).await.unwrap();
            assert!(session.session_id.starts_with("cs_test_"), "the session of one order is one session");
        }
        assert_eq!(shop.stripe.all("checkout/sessions").len(), 1);
        let tenant = shop.store.find_tenant(&actor.tenant_id).await.unwrap().unwrap();
        assert_eq!(tenant.stripe_customer_id, Some(shop.customer("t").await));
    })
    .await;
}
