//! Idempotency keys, and failures on demand.

use std::time::Duration;

use chrono::TimeDelta;
use nat_billing::testing::{Fault, FaultKind};
use stripe::StripeError;
use stripe_client_core::StripeMethod;

use crate::{Pairs, Shop, ask, client, refusal, shop};

const ADA: Pairs<'static> = &[("email", "ada@example.test")];

async fn make(shop: &Shop, form: Pairs<'_>, key: &str) -> crate::Answer {
    ask(&shop.client, StripeMethod::Post, "/customers", form, key).await
}

#[tokio::test]
async fn a_key_does_the_work_once_and_refuses_other_parameters() {
    let shop = shop().await;
    let first = make(&shop, ADA, "one").await.unwrap();
    assert_eq!(make(&shop, ADA, "one").await.unwrap(), first);
    assert_eq!(refusal(make(&shop, &[("email", "bob@example.test")], "one").await).0, 400);
    assert_ne!(make(&shop, ADA, "two").await.unwrap()["id"], first["id"]);
    assert_ne!(make(&shop, ADA, "").await.unwrap()["id"], first["id"]);
    assert_eq!(shop.stripe.all("customers").len(), 3);
    let replayed: Vec<bool> = shop.stripe.requests().iter().map(|request| request.replayed).collect();
    assert_eq!(replayed, [false, true, true, false, false]);
    // Stripe forgets keys after a day.
    shop.advance(TimeDelta::days(1));
    assert_ne!(make(&shop, ADA, "one").await.unwrap()["id"], first["id"]);
}

#[tokio::test]
async fn a_refusal_is_kept_for_its_key_too() {
    let shop = shop().await;
    let form = [("customer", "cus_none")];
    for _ in 0..2 {
        let answer = ask(&shop.client, StripeMethod::Post, "/billing_portal/sessions", &form, "key").await;
        assert_eq!(refusal(answer), (400, "resource_missing".to_owned()));
    }
    assert!(shop.stripe.requests()[1].replayed);
    // But not one that came before any work: the key is free for the corrected request.
    assert_eq!(refusal(make(&shop, &[("email", "ada")], "other").await).1, "email_invalid");
    make(&shop, ADA, "other").await.unwrap();
}

#[tokio::test]
async fn a_key_has_no_effect_on_a_deletion() {
    let shop = shop().await;
    let id = shop.subscribe(nat_billing::testing::Card::Good);
    let path = format!("/subscriptions/{id}");
    let ended = ask(&shop.client, StripeMethod::Delete, &path, &[], "key").await.unwrap();
    assert_eq!(ended["status"], "canceled");
    let again = ask(&shop.client, StripeMethod::Delete, &path, &[], "key").await;
    assert_eq!(refusal(again), (404, "resource_missing".to_owned()));
}

#[tokio::test]
async fn work_whose_answer_is_lost_is_done_once() {
    let troubles =
        [FaultKind::Status(500), FaultKind::Html(502), FaultKind::Reset, FaultKind::Garbage, FaultKind::Status(429)];
    for what in troubles {
        let shop = shop().await;
        shop.stripe.fault(Fault { after_effect: true, ..Fault::on("/v1/customers", what, 2) });
        for _ in 0..2 {
            make(&shop, ADA, "key").await.unwrap_err();
        }
        let made = make(&shop, ADA, "key").await.unwrap();
        let all = shop.stripe.all("customers");
        assert_eq!((all.len(), &all[0]["id"]), (1, &made["id"]), "{what:?}");
    }
}

#[tokio::test]
async fn failures_strike_what_they_fit_as_often_as_asked() {
    let shop = shop().await;
    shop.stripe.fault(Fault { method: Some("POST"), ..Fault::on("/v1/customers", FaultKind::Status(503), 1) });
    shop.get("/customers", &[]).await;
    shop.get("/subscriptions", &[]).await;
    assert_eq!(refusal(make(&shop, ADA, "").await).0, 503);
    make(&shop, ADA, "").await.unwrap();
    assert_eq!(shop.stripe.all("customers").len(), 1, "the work of a failure is not done");
    shop.stripe.fault(Fault::on("/v1", FaultKind::Html(502), 1_000));
    let html = make(&shop, ADA, "").await.unwrap_err();
    assert!(!matches!(html, StripeError::Stripe(..)), "{html}");
    shop.stripe.heal();
    make(&shop, ADA, "").await.unwrap();
    for what in [FaultKind::Reset, FaultKind::Garbage] {
        shop.stripe.fault(Fault::on("/v1/customers", what, 1));
        let failed = make(&shop, ADA, "").await.unwrap_err();
        assert!(matches!(failed, StripeError::ClientError(_) | StripeError::JSONDeserialize(_)), "{what:?}: {failed}");
    }
    assert_eq!(shop.stripe.all("customers").len(), 2);
    assert_eq!(shop.stripe.count("POST", "/v1/customers"), 6, "a call that failed was asked all the same");
}

#[tokio::test]
async fn a_stalled_answer_comes_too_late_for_who_does_not_wait() {
    let shop = shop().await;
    let hasty = client(&shop.stripe, "sk_test_fake", Duration::from_millis(100));
    shop.stripe.fault(Fault {
        after_effect: true,
        ..Fault::on("/v1/customers", FaultKind::Stall(Duration::from_secs(60)), 1)
    });
    let failed = ask(&hasty, StripeMethod::Post, "/customers", ADA, "key").await.unwrap_err();
    assert!(matches!(failed, StripeError::Timeout | StripeError::ClientError(_)), "{failed}");
    assert_eq!(shop.stripe.all("customers").len(), 1, "the work was done");
    make(&shop, ADA, "key").await.unwrap();
    assert_eq!(shop.stripe.all("customers").len(), 1);
    shop.stripe.fault(Fault::on("/v1/customers", FaultKind::Stall(Duration::from_millis(1)), 1));
    make(&shop, ADA, "patient").await.unwrap();
}
