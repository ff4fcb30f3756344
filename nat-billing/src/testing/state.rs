//! What the fake Stripe knows: objects as JSON in their newest shape, events, and the means to make more of both.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use nat_core::time::Clock;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::{Card, FakeOptions, Request, Shape, fault::Fault, shape};

/// Objects of one kind, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Value>);

impl Table {
    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.0.iter().rev().find(|object| object["id"] == id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.0.iter_mut().rev().find(|object| object["id"] == id)
    }
}

/// Something that happened, as it would be sent to a webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// For example `customer.subscription.updated`.
    pub kind: String,
    /// When it happened.
    pub created: DateTime<Utc>,
    /// The bytes that are signed and sent.
    pub payload: Bytes,
}

/// What no object shows of a subscription.
#[derive(Clone, Debug, Default)]
pub(super) struct Private {
    /// How the coming payments go.
    pub(super) card: Card,
    /// When a failed renewal is tried again.
    pub(super) retries: Vec<i64>,
    /// The price that a schedule swaps in at the end of the period.
    pub(super) next_price: Option<String>,
    /// The price of a pending update.
    pub(super) pending_price: Option<String>,
}

/// An answer that is kept for its idempotency key.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) request: String,
    pub(super) since: i64,
    pub(super) status: u16,
    pub(super) body: Value,
}

pub(super) struct State {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: FakeOptions,
    pub(super) customers: Table,
    pub(super) products: Table,
    pub(super) prices: Table,
    pub(super) sessions: Table,
    pub(super) subscriptions: Table,
    pub(super) invoices: Table,
    pub(super) charges: Table,
    pub(super) refunds: Table,
    pub(super) disputes: Table,
    pub(super) schedules: Table,
    pub(super) portals: Table,
    pub(super) private: BTreeMap<String, Private>,
    pub(super) events: Vec<Event>,
    pub(super) kept: BTreeMap<String, Kept>,
    pub(super) requests: Vec<Request>,
    pub(super) faults: Vec<Fault>,
    /// Members that answers and events lack.
    pub(super) hidden: Vec<String>,
    /// Nothing is due before this instant; 0 after a change, when that has to be found out anew.
    pub(super) quiet_until: i64,
    /// The instant of a step that is being caught up on.
    pub(super) past: Option<i64>,
    rng: StdRng,
}

impl State {
    pub(super) fn new(options: FakeOptions) -> Self {
        let (clock, rng) = (options.clock.clone(), StdRng::seed_from_u64(options.seed));
        Self {
            clock,
            rng,
            options,
            customers: Table::default(),
            products: Table::default(),
            prices: Table::default(),
            sessions: Table::default(),
            subscriptions: Table::default(),
            invoices: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            disputes: Table::default(),
            schedules: Table::default(),
            portals: Table::default(),
            private: BTreeMap::new(),
            events: Vec::new(),
            kept: BTreeMap::new(),
            requests: Vec::new(),
            faults: Vec::new(),
            hidden: Vec::new(),
            quiet_until: 0,
            past: None,
        }
    }

    /// Unix seconds, as every instant of Stripe's.
    pub(super) fn now(&self) -> i64 {
        self.past.unwrap_or_else(|| self.clock.now().timestamp())
    }

    pub(super) fn id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let random: String = (0..24).map(|_| char::from(ALPHABET[self.rng.random_range(0..ALPHABET.len())])).collect();
        format!("{prefix}_{random}")
    }

    pub(super) fn table(&self, object: &str) -> Option<&Table> {
        Some(match object {
            "customers" => &self.customers,
            "products" => &self.products,
            "prices" => &self.prices,
            "checkout/sessions" => &self.sessions,
            "subscriptions" => &self.subscriptions,
            "invoices" => &self.invoices,
            "charges" => &self.charges,
            "refunds" => &self.refunds,
            "disputes" => &self.disputes,
            "subscription_schedules" => &self.schedules,
            _ => return None,
        })
    }

    /// Appends an event about `object` as it is now.
    pub(super) fn emit(&mut self, kind: &str, object: &Value) {
        let (id, created) = (self.id("evt"), self.now());
        let mut object = object.clone();
        shape::render(&mut object, self.options.shape, &self.hidden);
        let event = json!({
            "id": id, "object": "event", "api_version": self.options.shape.api_version(), "created": created,
            "livemode": self.options.livemode, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
            "type": kind, "data": {"object": object},
        });
        let created = DateTime::from_timestamp(created, 0).unwrap_or_default();
        let payload = serde_json::to_vec_pretty(&event).unwrap_or_default().into();
        self.events.push(Event { id, kind: kind.to_owned(), created, payload });
    }

    pub(super) fn emit_subscription(&mut self, kind: &str, id: &str) {
        if let Some(subscription) = self.subscriptions.get(id).cloned() {
            self.emit(&format!("customer.subscription.{kind}"), &subscription);
        }
    }

    pub(super) fn set(&mut self, subscription_id: &str, members: Value) {
        let (Some(subscription), Value::Object(members)) = (self.subscriptions.get_mut(subscription_id), members)
        else {
            return;
        };
        for (name, value) in members {
            subscription[name] = value;
        }
        self.quiet_until = 0;
    }

    pub(super) fn private(&mut self, subscription_id: &str) -> &mut Private {
        self.quiet_until = 0;
        self.private.entry(subscription_id.to_owned()).or_default()
    }

    pub(super) fn new_customer(
        &mut self,
        email: Option<&str>,
        name: Option<&str>,
        metadata: Map<String, Value>,
    ) -> Value {
        let customer = json!({
            "id": self.id("cus"), "object": "customer", "created": self.now(), "email": email, "name": name,
            "livemode": self.options.livemode, "metadata": metadata, "balance": 0, "currency": null, "delinquent": false,
            "description": null, "invoice_settings": {"default_payment_method": null},
        });
        self.customers.0.push(customer.clone());
        self.emit("customer.created", &customer);
        customer
    }

    /// As an answer shows it.
    pub(super) fn shown(&self, object: &Value, expand: &[&str]) -> Value {
        let mut object = object.clone();
        for path in expand {
            self.expand(&mut object, path);
        }
        shape::render(&mut object, self.options.shape, &self.hidden);
        object
    }

    /// Replaces the ids on `path` by what they stand for.
    fn expand(&self, object: &mut Value, path: &str) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        if let Value::Array(rows) = object {
            for row in rows {
                self.expand(row, path);
            }
            return;
        }
        let Some(member) = object.get_mut(name) else { return };
        if shape::INCLUDABLE.contains(&name) {
            *member = json!({"included": member});
            return;
        }
        if let Some(id) = member.as_str() {
            let tables = [&self.customers, &self.products, &self.invoices, &self.subscriptions, &self.charges];
            if let Some(found) = tables.into_iter().find_map(|table| table.get(id)) {
                *member = found.clone();
            }
        }
        if let Some(rest) = rest {
            self.expand(member, rest);
        }
    }
}

impl Shape {
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::PreBasil => "2024-06-20",
            Self::Basil => "2026-09-30.endive",
        }
    }
}
