//! How subscriptions live: made, paid, renewed, failing, ended; whatever is due at the time of the clock.

use chrono::{DateTime, Months, Utc};
use nat_core::period::period_at;
use serde_json::{Map, Value, json};

use super::{Card, Exhausted, state::State};

const DAY: i64 = 86_400;
/// A first payment that is not made by then never will be.
const INCOMPLETE_FOR: i64 = 23 * 3600;
/// When a failed renewal is tried again, after the failure.
const RETRIES: [i64; 3] = [3 * DAY, 5 * DAY, 7 * DAY];

/// What time does to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It was never paid for.
    Expire,
    End,
    Renew,
    /// A failed payment is tried again.
    Retry,
    /// A change of price was not paid in time.
    DropPending,
}

/// A subscription to make.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionInit {
    /// How many of the first price.
    pub quantity: Option<u64>,
    /// Its metadata.
    pub metadata: Map<String, Value>,
    /// It is free until then (Unix seconds).
    pub trial_end: Option<i64>,
    /// The customer is sent invoices to pay later.
    pub send_invoice: bool,
    /// How payments go.
    pub card: Card,
}

fn utc(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or_default()
}

/// The end of the period that holds `at`, counted from the anchor, without eroding it.
fn period_end(anchor: i64, interval: &str, at: i64) -> i64 {
    match interval {
        "year" => {
            let years = (0u32..).map_while(|n| utc(anchor).checked_add_months(Months::new(12 * n)));
            years.map(|end| end.timestamp()).find(|end| *end > at).unwrap_or(i64::MAX)
        }
        "week" => anchor + ((at - anchor).div_euclid(7 * DAY) + 1) * 7 * DAY,
        "day" => anchor + ((at - anchor).div_euclid(DAY) + 1) * DAY,
        _ => period_at(Some(utc(anchor)), utc(at)).end.timestamp(),
    }
}

impl State {
    /// Makes a subscription and its first invoice. It is `incomplete` when that cannot be paid at once.
    pub(super) fn subscribe(&mut self, customer: &str, prices: &[&str], init: &SubscriptionInit) -> String {
        let (id, now) = (self.id("sub"), self.now());
        let anchor = init.trial_end.unwrap_or(now);
        let items: Vec<Value> = prices
            .iter()
            .enumerate()
            .map(|(place, price)| {
                let price = self.prices.get(price).cloned().unwrap_or(json!({"id": price, "object": "price"}));
                let interval = price["recurring"]["interval"].as_str().unwrap_or("month").to_owned();
                let end = init.trial_end.unwrap_or_else(|| period_end(anchor, &interval, now));
                json!({
                    "id": self.id("si"), "object": "subscription_item", "subscription": id, "price": price,
                    "quantity": if place == 0 { init.quantity.unwrap_or(1) } else { 1 }, "metadata": {}, "created": now,
                    "current_period_start": now, "current_period_end": end,
                })
            })
            .collect();
        let first_payment = match init.card {
            _ if init.trial_end.is_some() => "trialing",
            _ if init.send_invoice => "active",
            Card::Good | Card::Delayed => "active",
            Card::Declined | Card::NeedsAuthentication => "incomplete",
        };
        let subscription = json!({
            "id": id, "object": "subscription", "customer": customer, "status": first_payment, "created": now,
            "start_date": now, "billing_cycle_anchor": anchor, "cancel_at": null, "cancel_at_period_end": false,
            "canceled_at": null, "ended_at": null, "trial_start": init.trial_end.map(|_| now),
            "trial_end": init.trial_end, "currency": "usd", "livemode": self.options.livemode,
            "collection_method": if init.send_invoice { "send_invoice" } else { "charge_automatically" },
            "items": {"object": "list", "data": items, "has_more": false, "url": format!("/v1/subscription_items?subscription={id}")},
            "latest_invoice": null, "metadata": init.metadata, "schedule": null, "pending_update": null,
            "pause_collection": null, "default_payment_method": null,
        });
        self.subscriptions.0.push(subscription);
        self.private(&id).card = init.card;
        let paid = init.trial_end.is_some() || (init.card == Card::Good && !init.send_invoice);
        self.invoice(&id, "subscription_create", paid, None);
        self.emit_subscription("created", &id);
        id
    }

    /// Makes the next invoice of a subscription.
    pub(super) fn invoice(&mut self, subscription_id: &str, reason: &str, paid: bool, amount: Option<i64>) {
        let Some(subscription) = self.subscriptions.get(subscription_id).cloned() else { return };
        let (id, now) = (self.id("in"), self.now());
        let items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
        let sum = items
            .iter()
            .map(|item| item["price"]["unit_amount"].as_i64().unwrap_or(0) * item["quantity"].as_i64().unwrap_or(1));
        let trial = subscription["status"] == "trialing";
        let amount = amount.unwrap_or_else(|| if trial { 0 } else { sum.sum() });
        let invoice = json!({
            "id": id, "object": "invoice", "customer": subscription["customer"], "created": now,
            "status": if subscription["status"] == "unpaid" { "draft" } else { "open" },
            "billing_reason": reason, "amount_due": amount, "amount_paid": 0, "amount_remaining": amount, "currency": "usd",
            "livemode": self.options.livemode, "attempt_count": 0, "next_payment_attempt": null, "metadata": {},
            "collection_method": subscription["collection_method"],
            "hosted_invoice_url": format!("https://invoice.stripe.test/i/{id}"),
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription_id, "metadata": subscription["metadata"]}},
            "payments": {"object": "list", "data": [], "has_more": false},
        });
        self.invoices.0.push(invoice.clone());
        self.set(subscription_id, json!({"latest_invoice": id}));
        self.emit("invoice.created", &invoice);
        if paid {
            self.settle(&id);
        }
    }

    /// The invoice is paid.
    pub(super) fn settle(&mut self, invoice_id: &str) {
        let (payment, now) = (self.id("pi"), self.now());
        let charge = payment.replacen("pi_", "ch_", 1);
        let row = json!({"id": self.id("inpay"), "object": "invoice_payment", "status": "paid", "invoice": invoice_id,
            "payment": {"type": "payment_intent", "payment_intent": payment}});
        let Some(invoice) = self.invoices.get_mut(invoice_id) else { return };
        let amount = invoice["amount_due"].as_i64().unwrap_or(0);
        invoice["status"] = json!("paid");
        invoice["amount_paid"] = json!(amount);
        invoice["amount_remaining"] = json!(0);
        invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or(0) + 1);
        invoice["next_payment_attempt"] = Value::Null;
        if amount > 0 {
            invoice["payments"]["data"] = json!([row]);
        }
        let invoice = invoice.clone();
        if amount > 0 {
            self.charges.0.push(json!({
                "id": charge, "object": "charge", "created": now, "customer": invoice["customer"], "amount": amount,
                "amount_refunded": 0, "refunded": false, "paid": true, "payment_intent": payment, "currency": "usd",
                "livemode": self.options.livemode, "status": "succeeded", "disputed": false,
            }));
        }
        self.emit("invoice.paid", &invoice);
        self.emit("invoice.payment_succeeded", &invoice);
    }

    /// Everything that is due.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        if now < self.quiet_until {
            return;
        }
        let open = self.sessions.0.iter().filter(|session| session["status"] == "open");
        let over: Vec<(String, i64)> = open
            .filter_map(|session| Some((session["id"].as_str()?.to_owned(), session["expires_at"].as_i64()?)))
            .filter(|(_, at)| *at <= now)
            .collect();
        for (id, at) in over {
            self.past = Some(at);
            self.expire_session(&id);
            self.past = None;
        }
        let ids: Vec<String> = self
            .subscriptions
            .0
            .iter()
            .filter(|row| self.next_due(row) <= now)
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        for id in ids {
            // A clock that jumps by a year makes twelve renewals.
            for _ in 0..500 {
                if !self.step(&id, now) {
                    break;
                }
            }
        }
        let sessions = self.sessions.0.iter().filter(|session| session["status"] == "open");
        let sessions = sessions.filter_map(|session| session["expires_at"].as_i64());
        let subscriptions = self.subscriptions.0.iter().map(|row| self.next_due(row));
        self.quiet_until = sessions.chain(subscriptions).min().unwrap_or(i64::MAX);
    }

    /// When the next step of a subscription is due.
    fn next_due(&self, row: &Value) -> i64 {
        self.next_step(row).map_or(i64::MAX, |(at, _)| at)
    }

    /// What happens next to a subscription, and when; the renewal comes before a retry of the same instant.
    fn next_step(&self, row: &Value) -> Option<(i64, Step)> {
        match row["status"].as_str()? {
            "incomplete" => Some((row["created"].as_i64()? + INCOMPLETE_FOR, Step::Expire)),
            "active" | "trialing" | "past_due" | "unpaid" => {
                let over = if row["cancel_at_period_end"] == true { Step::End } else { Step::Renew };
                let retry = row["id"].as_str().and_then(|id| self.private.get(id)?.retries.first().copied());
                let steps = [
                    (row["cancel_at"].as_i64(), Step::End),
                    (row["items"]["data"][0]["current_period_end"].as_i64(), over),
                    (row["pending_update"]["expires_at"].as_i64(), Step::DropPending),
                    (retry, Step::Retry),
                ];
                steps.into_iter().filter_map(|(at, step)| Some((at?, step))).min_by_key(|(at, _)| *at)
            }
            _ => None,
        }
    }

    /// One step in the life of a subscription, at the instant at which it was due: the clock may have jumped over several.
    /// False when nothing is due.
    fn step(&mut self, id: &str, now: i64) -> bool {
        let Some(subscription) = self.subscriptions.get(id).cloned() else { return false };
        let Some((at, step)) = self.next_step(&subscription).filter(|(at, _)| *at <= now) else { return false };
        self.past = Some(at);
        match step {
            Step::Expire => {
                self.set(id, json!({"status": "incomplete_expired", "ended_at": at}));
                self.void_latest(id);
                self.emit_subscription("updated", id);
            }
            Step::End => self.end(id, at),
            Step::Renew => self.renew(id, &subscription, at),
            Step::Retry => self.retry(id),
            Step::DropPending => {
                self.settle_pending(id, false);
                self.set(id, json!({"pending_update": null}));
            }
        }
        self.past = None;
        true
    }

    fn renew(&mut self, id: &str, subscription: &Value, from: i64) {
        if let Some(price) = self.private(id).next_price.take() {
            self.swap_price(id, &price);
            self.set(id, json!({"schedule": null}));
        }
        let anchor = subscription["billing_cycle_anchor"].as_i64().unwrap_or(from);
        self.move_periods(id, anchor, from);
        if subscription["status"] == "unpaid" {
            // Invoices go on, as drafts that nobody collects.
            self.invoice(id, "subscription_cycle", false, None);
            return self.emit_subscription("updated", id);
        }
        let good = self.private(id).card == Card::Good;
        self.set(id, json!({"status": "active"}));
        self.invoice(id, "subscription_cycle", good, None);
        if good {
            self.private(id).retries.clear();
        } else {
            self.set(id, json!({"status": "past_due"}));
            // Each invoice is tried for itself; the schedule of an older one goes on.
            if self.private(id).retries.is_empty() {
                self.private(id).retries = RETRIES.iter().map(|after| from + after).collect();
            }
            self.fail_latest(id);
        }
        self.emit_subscription("updated", id);
    }

    /// Every item gets the period that begins at `from`.
    pub(super) fn move_periods(&mut self, id: &str, anchor: i64, from: i64) {
        self.quiet_until = 0;
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
            let interval = item["price"]["recurring"]["interval"].as_str().unwrap_or("month").to_owned();
            item["current_period_start"] = json!(from);
            item["current_period_end"] = json!(period_end(anchor, &interval, from));
        }
    }

    /// A failed renewal is tried again; after the last time the account's setting decides.
    fn retry(&mut self, id: &str) {
        self.private(id).retries.remove(0);
        if self.private(id).card == Card::Good {
            self.private(id).retries.clear();
            self.set(id, json!({"status": "active"}));
            self.settle_latest(id);
            self.emit_subscription("updated", id);
            return;
        }
        self.fail_latest(id);
        if self.private(id).retries.is_empty() {
            match self.options.exhausted {
                Exhausted::Cancel => return self.end(id, self.now()),
                Exhausted::Unpaid => self.set(id, json!({"status": "unpaid"})),
                Exhausted::PastDue => {}
            }
        }
        self.emit_subscription("updated", id);
    }

    /// The members that say that a subscription ends with its period, or no longer does.
    pub(super) fn ends_with_period(&self, id: &str, ends: bool) -> Map<String, Value> {
        let end = self.subscriptions.get(id).map(|found| found["items"]["data"][0]["current_period_end"].clone());
        let mut members = Map::new();
        members.insert("cancel_at_period_end".to_owned(), json!(ends));
        members.insert("cancel_at".to_owned(), if ends { json!(end) } else { Value::Null });
        members.insert("canceled_at".to_owned(), if ends { json!(self.now()) } else { Value::Null });
        members
    }

    pub(super) fn shift_period_end(&mut self, id: &str, at: i64) {
        let Some(found) = self.subscriptions.get_mut(id) else { return };
        for item in found["items"]["data"].as_array_mut().into_iter().flatten() {
            item["current_period_end"] = json!(at);
        }
        // Periods end where the anchor says, and so does a subscription that ends with its period.
        found["billing_cycle_anchor"] = json!(at);
        if found["cancel_at_period_end"] == true {
            found["cancel_at"] = json!(at);
        }
        self.quiet_until = 0;
        self.emit_subscription("updated", id);
    }

    /// The subscription ends for good.
    pub(super) fn end(&mut self, id: &str, at: i64) {
        let asked_at = self.subscriptions.get(id).and_then(|found| found["canceled_at"].as_i64());
        let canceled_at = asked_at.unwrap_or_else(|| self.now());
        self.private(id).retries.clear();
        self.set(id, json!({"status": "canceled", "ended_at": at, "canceled_at": canceled_at}));
        self.emit_subscription("deleted", id);
    }

    fn latest(&self, id: &str) -> Option<String> {
        self.subscriptions.get(id)?["latest_invoice"].as_str().map(str::to_owned)
    }

    pub(super) fn settle_latest(&mut self, id: &str) {
        if let Some(invoice) = self.latest(id) {
            self.settle(&invoice);
        }
    }

    pub(super) fn fail_latest(&mut self, id: &str) {
        let next = self.private(id).retries.first().copied();
        let Some(invoice_id) = self.latest(id) else { return };
        let Some(invoice) = self.invoices.get_mut(&invoice_id) else { return };
        invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or(0) + 1);
        invoice["next_payment_attempt"] = json!(next);
        let invoice = invoice.clone();
        self.emit("invoice.payment_failed", &invoice);
    }

    pub(super) fn void_latest(&mut self, id: &str) {
        let Some(invoice_id) = self.latest(id) else { return };
        let Some(invoice) = self.invoices.get_mut(&invoice_id) else { return };
        invoice["status"] = json!("void");
        let invoice = invoice.clone();
        self.emit("invoice.voided", &invoice);
    }

    /// The first item is for another price from now on.
    pub(super) fn swap_price(&mut self, id: &str, price: &str) {
        let price = self.prices.get(price).cloned().unwrap_or(json!({"id": price, "object": "price"}));
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription["items"]["data"][0]["price"] = price;
        }
    }

    pub(super) fn expire_session(&mut self, id: &str) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session["status"] == "open") else { return };
        session["status"] = json!("expired");
        session["url"] = Value::Null;
        let session = session.clone();
        self.emit("checkout.session.expired", &session);
    }
}
