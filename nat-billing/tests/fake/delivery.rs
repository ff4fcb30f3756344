//! Events on their way: the adversary, retries, sockets, signatures.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use nat_billing::testing::{Adversary, Card, Delivery, Event, Report, permutations};
use nat_billing::webhook::signature::verify;
use nat_core::{secret::SecretString, time::Clock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{Shop, shop, utc};

/// A shop with the events of a few renewals.
async fn busy() -> (Shop, Vec<Event>) {
    let shop = shop().await;
    shop.subscribe(Card::Good);
    shop.until("2026-06-15T00:00:00Z");
    let events = shop.stripe.take_events();
    (shop, events)
}

fn at_once(shop: &Shop, events: &[Event]) -> Vec<Delivery> {
    events.iter().map(|event| Delivery { at: shop.clock.now(), event: event.clone(), attempt: 0 }).collect()
}

#[test]
fn permutations_are_every_order_once() {
    for (count, wanted) in [(0u8, 1), (1, 1), (2, 2), (3, 6), (4, 24), (5, 120), (6, 720)] {
        let orders = permutations(&(0..count).collect::<Vec<_>>());
        assert_eq!(orders.len(), wanted);
        let different: BTreeSet<_> = orders.iter().collect();
        assert_eq!(different.len(), wanted);
    }
}

#[tokio::test]
async fn the_adversary_is_bad_in_the_same_way_for_the_same_seed() {
    let (shop, events) = busy().await;
    let of = |seed: u64| Adversary::new(seed).schedule(&events, shop.clock.as_ref());
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    let mut all = Vec::new();
    for seed in 0..50 {
        let schedule = of(seed);
        assert!(schedule.is_sorted_by_key(|delivery| delivery.at));
        let late = shop.clock.now() + TimeDelta::days(3);
        assert!(schedule.iter().all(|delivery| delivery.at >= shop.clock.now() && delivery.at <= late));
        for event in &events {
            all.push(schedule.iter().filter(|delivery| delivery.event.id == event.id).count());
        }
    }
    let count = |times: usize| all.iter().filter(|count| **count == times).count();
    assert_eq!(count(0) + count(1) + count(2) + count(3), all.len());
    assert!((1..=3).all(|times| count(times) > all.len() / 5), "once, twice and three times alike");
    let dropped = count(0) * 100 / all.len();
    assert!((5..=15).contains(&dropped), "{dropped} in a hundred never come");
}

#[tokio::test]
async fn a_disturbed_schedule_keeps_the_order_of_first_deliveries() {
    let (shop, events) = busy().await;
    let mut adversary = Adversary::new(3);
    adversary.dropped_percent = 0;
    let schedule = adversary.disturb(&events, shop.clock.as_ref());
    assert!(schedule.len() > events.len(), "some come twice");
    let mut seen = BTreeSet::new();
    let first: Vec<_> = schedule.iter().filter(|delivery| seen.insert(&delivery.event.id)).collect();
    assert!(first.iter().map(|delivery| &delivery.event.id).eq(events.iter().map(|event| &event.id)));
    (adversary.duplicates, adversary.dropped_percent) = (0, 100);
    assert!(adversary.disturb(&events, shop.clock.as_ref()).is_empty());
}

#[tokio::test]
async fn deliveries_are_made_at_their_time_and_signed_then() {
    let (shop, events) = busy().await;
    let secrets = [SecretString::from("whsec_fake")];
    let (begin, mut seen) = (shop.clock.now(), 0);
    let schedule = Adversary::new(1).schedule(&events, shop.clock.as_ref());
    let (wanted, last) = (schedule.len(), schedule.last().unwrap().at);
    let report = shop
        .stripe
        .deliver(schedule, &shop.clock, async |payload, signature| {
            verify(payload, Some(signature), &secrets, shop.clock.now()).unwrap();
            seen += 1;
            200
        })
        .await;
    assert_eq!((report, seen), (Report { accepted: wanted, ..Report::default() }, wanted));
    assert_eq!(shop.clock.now(), last);
    assert!(last > begin);
}

#[tokio::test]
async fn a_failing_endpoint_is_tried_again_for_three_days() {
    let (shop, events) = busy().await;
    let schedule = at_once(&shop, &events[..1]);
    let mut times = Vec::new();
    let begin = shop.clock.now();
    let handler = async |_: &[u8], _: &str| {
        times.push((shop.clock.now() - begin).num_seconds());
        500
    };
    let report = shop.stripe.deliver(schedule, &shop.clock, handler).await;
    assert_eq!(report, Report { accepted: 0, retried: 9, given_up: 1 });
    let pauses: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    let days = *times.last().unwrap() / 86_400;
    assert!((2..=3).contains(&days), "{times:?}");
}

#[tokio::test]
async fn a_delivery_that_failed_comes_again_after_others() {
    let (shop, events) = busy().await;
    let schedule = at_once(&shop, &events[..3]);
    let mut order = Vec::new();
    let handler = async |payload: &[u8], _: &str| {
        let event: serde_json::Value = serde_json::from_slice(payload).unwrap();
        order.push(event["id"].as_str().unwrap().to_owned());
        if order.len() == 1 { 503 } else { 204 }
    };
    let report = shop.stripe.deliver(schedule, &shop.clock, handler).await;
    assert_eq!(report, Report { accepted: 3, retried: 1, given_up: 0 });
    assert_eq!(order, [&*events[0].id, &*events[1].id, &*events[2].id, &*events[0].id]);
}

/// An endpoint that answers the first `failing` requests with 500; what it was sent.
async fn endpoint(failing: usize) -> (String, Arc<AtomicUsize>, tokio::task::JoinHandle<Vec<String>>, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        while requests.len() < failing + 2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            requests.push(read_request(&mut socket).await);
            let status = if counter.fetch_add(1, Ordering::SeqCst) < failing { "500 Oops" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url, asked, task, failing)
}

/// Head and body of one request.
async fn read_request(socket: &mut tokio::net::TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut chunk = [0; 8192];
        let count = socket.read(&mut chunk).await.unwrap();
        text += std::str::from_utf8(&chunk[..count]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head.split("Content-Length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        if count == 0 || body.len() >= length {
            return text;
        }
    }
}

#[tokio::test]
async fn deliveries_go_over_a_real_socket() {
    let (shop, events) = busy().await;
    let (url, asked, task, failing) = endpoint(2).await;
    let report = shop.stripe.deliver_to(at_once(&shop, &events[..2]), &shop.clock, &url).await;
    assert_eq!(report, Report { accepted: 2, retried: failing, given_up: 0 });
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    for request in task.await.unwrap() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /webhooks/stripe HTTP/1.1\r\n"), "{head}");
        let signature = head.split("Stripe-Signature: ").nth(1).unwrap().lines().next().unwrap();
        let at = signature.split(['=', ',']).nth(1).unwrap().parse().unwrap();
        let at = chrono::DateTime::from_timestamp(at, 0).unwrap();
        verify(body.as_bytes(), Some(signature), &[SecretString::from("whsec_fake")], at).unwrap();
    }
    // Nobody listens there any more.
    shop.stripe.post_to(&url, &events[0]).await.unwrap_err();
    let report = shop.stripe.deliver_to(at_once(&shop, &events[..1]), &shop.clock, &url).await;
    assert_eq!((report.accepted, report.given_up), (0, 1));
}

#[tokio::test]
async fn during_a_roll_both_secrets_fit() {
    let shop = shop().await;
    let fits = |header: &str, secret: &str| {
        verify(b"payload", Some(header), &[SecretString::from(secret)], utc("2026-01-31T12:00:00Z")).is_ok()
    };
    let before = shop.stripe.sign(b"payload");
    shop.stripe.set_webhook_secrets(&["whsec_new", "whsec_fake"]);
    let during = shop.stripe.sign(b"payload");
    shop.stripe.set_webhook_secrets(&["whsec_new"]);
    let after = shop.stripe.sign(b"payload");
    let verdicts = [before, during, after].map(|header| (fits(&header, "whsec_fake"), fits(&header, "whsec_new")));
    assert_eq!(verdicts, [(true, false), (true, true), (false, true)]);
}
