//! What people do: the customer who pays, and the merchant at the dashboard.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{Card, FakeStripe, SubscriptionInit, state::State};

/// A price to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// `prod_…`; made when there is none.
    pub product: String,
    /// In cents.
    pub unit_amount: i64,
    /// `month`, `year` or `week`.
    pub interval: String,
    /// `usd`, or any other.
    pub currency: String,
    /// Its metadata.
    pub metadata: Map<String, Value>,
    /// The metadata of its product.
    pub product_metadata: Map<String, Value>,
}

impl Price {
    /// A monthly price in dollars.
    #[must_use]
    pub fn monthly(id: &str, product: &str, unit_amount: i64) -> Self {
        Self {
            id: id.to_owned(),
            product: product.to_owned(),
            unit_amount,
            interval: "month".to_owned(),
            currency: "usd".to_owned(),
            metadata: Map::new(),
            product_metadata: Map::new(),
        }
    }
}

impl State {
    pub(super) fn new_price(&mut self, price: &Price) -> Value {
        if self.products.get(&price.product).is_none() {
            let product = json!({"id": price.product, "object": "product", "created": self.now(), "active": true,
                "name": price.product, "livemode": self.options.livemode, "metadata": price.product_metadata});
            self.products.0.push(product);
        }
        let object = json!({
            "id": price.id, "object": "price", "created": self.now(), "active": true, "product": price.product,
            "unit_amount": price.unit_amount, "currency": price.currency, "type": "recurring",
            "recurring": {"interval": price.interval, "interval_count": 1, "usage_type": "licensed"},
            "livemode": self.options.livemode, "metadata": price.metadata,
        });
        self.prices.0.push(object.clone());
        object
    }

    /// The customer went through the checkout page.
    pub(super) fn pay(&mut self, session_id: &str, card: Card) -> Option<String> {
        self.tick();
        let session = self.sessions.get(session_id).filter(|session| session["status"] == "open")?.clone();
        // The page says no; nothing else happens.
        if card == Card::Declined {
            return None;
        }
        let metadata = session["subscription_data"]["metadata"].as_object().cloned().unwrap_or_default();
        let customer = session["customer"].as_str().unwrap_or_default().to_owned();
        let prices: Vec<String> = session["line_items"]["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["price"]["id"].as_str().map(str::to_owned))
            .collect();
        let prices: Vec<&str> = prices.iter().map(String::as_str).collect();
        let init = SubscriptionInit { metadata, card, ..SubscriptionInit::default() };
        let subscription = self.subscribe(&customer, &prices, &init);
        let paid = card == Card::Good;
        let stored = self.sessions.get_mut(session_id)?;
        stored["status"] = json!("complete");
        stored["url"] = Value::Null;
        stored["subscription"] = json!(subscription);
        stored["payment_status"] = json!(if paid { "paid" } else { "unpaid" });
        let stored = stored.clone();
        self.emit("checkout.session.completed", &stored);
        Some(subscription)
    }

    pub(super) fn settle_delayed(&mut self, session_id: &str, arrived: bool) {
        let unpaid = self
            .sessions
            .get_mut(session_id)
            .filter(|session| session["status"] == "complete" && session["payment_status"] == "unpaid");
        let Some(session) = unpaid else { return };
        if arrived {
            session["payment_status"] = json!("paid");
        }
        let session = session.clone();
        let Some(subscription) = session["subscription"].as_str().map(str::to_owned) else { return };
        if arrived {
            self.private(&subscription).card = Card::Good;
            self.settle_latest(&subscription);
            self.emit("checkout.session.async_payment_succeeded", &session);
            self.emit_subscription("updated", &subscription);
        } else {
            self.emit("checkout.session.async_payment_failed", &session);
            self.void_latest(&subscription);
            self.end(&subscription, self.now());
        }
    }
}

/// What the paying person does.
impl FakeStripe {
    /// Pays an open checkout session. The subscription; `None` when the page says no, or the session is not open.
    pub fn pay_checkout(&self, session_id: &str, card: Card) -> Option<String> {
        self.state().pay(session_id, card)
    }

    /// The money of a delayed payment arrives, or never will.
    pub fn settle_delayed(&self, session_id: &str, arrived: bool) {
        self.state().settle_delayed(session_id, arrived);
    }

    /// The bank's question was answered: an incomplete subscription becomes active.
    pub fn authenticate(&self, subscription: &str) {
        let mut state = self.state();
        state.tick();
        if state.subscriptions.get(subscription).is_some_and(|found| found["status"] == "incomplete") {
            state.private(subscription).card = Card::Good;
            state.set(subscription, json!({"status": "active"}));
            state.settle_latest(subscription);
            state.emit_subscription("updated", subscription);
        }
    }

    /// Confirms the change of price that a portal session offers. A declined card leaves the old price, and the new one
    /// pending. False when the session offers none.
    pub fn confirm_portal(&self, portal_id: &str, card: Card) -> bool {
        let mut state = self.state();
        let Some(portal) = state.portals.get(portal_id).cloned() else { return false };
        let flow = &portal["flow"]["subscription_update_confirm"];
        let (Some(id), Some(price)) = (flow["subscription"].as_str(), flow["items"][0]["price"].as_str()) else {
            return false;
        };
        state.change_price(id, price, card);
        true
    }

    /// A pending change of price was paid after all, or ran out of time.
    pub fn settle_pending(&self, subscription: &str, paid: bool) {
        self.state().settle_pending(subscription, paid);
    }

    /// How the coming payments of a subscription go.
    pub fn use_card(&self, subscription: &str, card: Card) {
        self.state().private(subscription).card = card;
    }
}

impl State {
    pub(super) fn change_price(&mut self, id: &str, price: &str, card: Card) {
        if card == Card::Good {
            self.swap_price(id, price);
            self.invoice(id, "subscription_update", true, Some(1_000));
            self.emit_subscription("updated", id);
            return;
        }
        self.private(id).pending_price = Some(price.to_owned());
        let expires_at = self.now() + 23 * 3600;
        let items = json!([{"price": price}]);
        self.set(id, json!({"pending_update": {"expires_at": expires_at, "subscription_items": items}}));
        self.invoice(id, "subscription_update", false, Some(1_000));
        self.fail_latest(id);
        self.emit_subscription("updated", id);
    }

    pub(super) fn settle_pending(&mut self, id: &str, paid: bool) {
        let Some(price) = self.private(id).pending_price.take() else { return };
        self.set(id, json!({"pending_update": null}));
        if paid {
            self.swap_price(id, &price);
            self.settle_latest(id);
            self.emit_subscription("pending_update_applied", id);
            self.emit_subscription("updated", id);
        } else {
            self.void_latest(id);
            self.emit_subscription("pending_update_expired", id);
        }
    }

    pub(super) fn add_item(&mut self, subscription: &str, price: &str, quantity: u64) {
        let id = self.id("si");
        let price = self.prices.get(price).cloned().unwrap_or(json!({"id": price, "object": "price"}));
        let Some(found) = self.subscriptions.get_mut(subscription) else { return };
        let mut item = found["items"]["data"][0].clone();
        (item["id"], item["price"], item["quantity"]) = (json!(id), price, json!(quantity));
        if let Some(items) = found["items"]["data"].as_array_mut() {
            items.push(item);
        }
    }

    pub(super) fn refund(&mut self, charge_id: &str, amount: Option<i64>) -> Option<Value> {
        let (id, now) = (self.id("re"), self.now());
        let charge = self.charges.get_mut(charge_id)?;
        let left = charge["amount"].as_i64()? - charge["amount_refunded"].as_i64()?;
        let amount = amount.unwrap_or(left);
        if left <= 0 || amount > left {
            return None;
        }
        charge["amount_refunded"] = json!(charge["amount"].as_i64()? - left + amount);
        charge["refunded"] = json!(left == amount);
        let charge = charge.clone();
        let refund = json!({"id": id, "object": "refund", "created": now, "amount": amount, "status": "succeeded",
            "charge": charge_id, "payment_intent": charge["payment_intent"], "currency": "usd", "metadata": {}});
        self.refunds.0.push(refund.clone());
        self.emit("charge.refunded", &charge);
        Some(refund)
    }

    fn last_charge(&self, customer: &str) -> Option<String> {
        let mut charges = self.charges.0.iter().rev();
        charges.find(|charge| charge["customer"] == customer)?["id"].as_str().map(str::to_owned)
    }

    pub(super) fn delete_customer(&mut self, id: &str) {
        let live: Vec<String> = self
            .subscriptions
            .0
            .iter()
            .filter(|row| row["customer"] == id && row["status"] != "canceled")
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        for subscription in live {
            self.end(&subscription, self.now());
        }
        let Some(customer) = self.customers.get_mut(id) else { return };
        let before = customer.clone();
        *customer = json!({"id": id, "object": "customer", "deleted": true});
        self.emit("customer.deleted", &before);
    }
}

/// What the merchant does at the dashboard.
impl FakeStripe {
    /// Adds a price, and its product when there is none.
    pub fn add_price(&self, price: Price) {
        self.state().new_price(&price);
    }

    /// Nobody can subscribe to the price any more; whoever has it keeps it.
    pub fn archive_price(&self, id: &str) {
        if let Some(price) = self.state().prices.get_mut(id) {
            price["active"] = json!(false);
        }
    }

    /// Makes a customer by hand.
    pub fn create_customer(&self, email: &str, metadata: &[(&str, &str)]) -> String {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let customer = self.state().new_customer(Some(email), None, metadata);
        customer["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Overwrites members of a customer.
    pub fn update_customer(&self, id: &str, members: Value) {
        let mut state = self.state();
        let Some(customer) = state.customers.get_mut(id) else { return };
        for (name, value) in members.as_object().cloned().unwrap_or_default() {
            customer[name] = value;
        }
        let customer = customer.clone();
        state.emit("customer.updated", &customer);
    }

    /// Deletes a customer and ends its subscriptions.
    pub fn delete_customer(&self, id: &str) {
        self.state().delete_customer(id);
    }

    /// Makes a subscription without a checkout.
    pub fn subscribe(&self, customer: &str, prices: &[&str], init: &SubscriptionInit) -> String {
        self.state().subscribe(customer, prices, init)
    }

    /// Ends a subscription at once.
    pub fn cancel_now(&self, subscription: &str) {
        let mut state = self.state();
        let now = state.now();
        state.end(subscription, now);
    }

    /// Lets a subscription end with its period, or takes that back.
    pub fn cancel_at_period_end(&self, subscription: &str, ends: bool) {
        let members = self.state().ends_with_period(subscription, ends);
        self.change(subscription, Value::Object(members));
    }

    /// Lets a subscription end at an instant, or takes that back.
    pub fn cancel_at(&self, subscription: &str, at: Option<DateTime<Utc>>) {
        self.change(subscription, json!({"cancel_at": at.map(|at| at.timestamp())}));
    }

    /// Overwrites members of a subscription (`status`, `metadata`, `pause_collection`, …) and sends the event.
    pub fn change(&self, subscription: &str, members: Value) {
        let mut state = self.state();
        state.set(subscription, members);
        state.emit_subscription("updated", subscription);
    }

    /// Another price in the middle of the period, as a portal without a schedule does it.
    pub fn change_price(&self, subscription: &str, price: &str, card: Card) {
        self.state().change_price(subscription, price, card);
    }

    /// A second item.
    pub fn add_item(&self, subscription: &str, price: &str, quantity: u64) {
        let mut state = self.state();
        state.add_item(subscription, price, quantity);
        state.emit_subscription("updated", subscription);
    }

    /// How many of the first price.
    pub fn set_quantity(&self, subscription: &str, quantity: u64) {
        let mut state = self.state();
        if let Some(found) = state.subscriptions.get_mut(subscription) {
            found["items"]["data"][0]["quantity"] = json!(quantity);
        }
        state.emit_subscription("updated", subscription);
    }

    /// The billing cycle begins anew now: the trial was ended, the collection resumed, or `billing_cycle_anchor=now`.
    pub fn restart_cycle(&self, subscription: &str) {
        let mut state = self.state();
        let now = state.now();
        state.set(subscription, json!({"billing_cycle_anchor": now, "status": "active", "trial_end": null}));
        state.move_periods(subscription, now, now);
        state.invoice(subscription, "subscription_update", true, None);
        state.emit_subscription("updated", subscription);
    }

    /// Moves the end of the running period; for tests over a real clock.
    pub fn shift_period_end(&self, subscription: &str, at: DateTime<Utc>) {
        self.state().shift_period_end(subscription, at.timestamp());
    }

    /// Schedules another price for the end of the period; `None` releases the schedule.
    pub fn schedule_price(&self, subscription: &str, price: Option<&str>) {
        let mut state = self.state();
        let id = state.id("sub_sched");
        let scheduled = price.is_some();
        state.private(subscription).next_price = price.map(str::to_owned);
        let schedule = json!({"id": id, "object": "subscription_schedule", "subscription": subscription,
            "status": if scheduled { "active" } else { "released" }, "created": state.now()});
        state.schedules.0.push(schedule.clone());
        state.set(subscription, json!({"schedule": scheduled.then_some(&id)}));
        state.emit(
            if scheduled { "subscription_schedule.created" } else { "subscription_schedule.released" },
            &schedule,
        );
        state.emit_subscription("updated", subscription);
    }

    /// Refunds the last payment of a customer, in part or in full.
    pub fn refund_last(&self, customer: &str, amount: Option<i64>) -> bool {
        let mut state = self.state();
        state.last_charge(customer).and_then(|charge| state.refund(&charge, amount)).is_some()
    }

    /// The customer disputes the last payment; `Some(won)` closes the dispute.
    pub fn dispute_last(&self, customer: &str, closed: Option<bool>) {
        let mut state = self.state();
        let Some(charge) = state.last_charge(customer) else { return };
        let status = match closed {
            None => "needs_response",
            Some(true) => "won",
            Some(false) => "lost",
        };
        let open = state.disputes.0.iter().position(|row| row["charge"] == charge && row["status"] == "needs_response");
        let place = open.unwrap_or(state.disputes.0.len());
        if open.is_none() {
            let dispute = json!({"id": state.id("dp"), "object": "dispute", "charge": charge, "created": state.now(),
                "payment_intent": charge.replacen("ch_", "pi_", 1), "reason": "fraudulent"});
            state.disputes.0.push(dispute);
        }
        state.disputes.0[place]["status"] = json!(status);
        let dispute = state.disputes.0[place].clone();
        state.emit(if closed.is_some() { "charge.dispute.closed" } else { "charge.dispute.created" }, &dispute);
    }

    /// The issuer of the card warns of fraud.
    pub fn warn_of_fraud(&self, customer: &str) {
        let mut state = self.state();
        let Some(charge) = state.last_charge(customer) else { return };
        let warning = json!({"id": state.id("issfr"), "object": "radar.early_fraud_warning", "charge": charge});
        state.emit("radar.early_fraud_warning.created", &warning);
    }

    /// Closes an open checkout session.
    pub fn expire_checkout(&self, session_id: &str) {
        self.state().expire_session(session_id);
    }
}
