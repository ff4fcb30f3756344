//! The routes: what a request does and what it is told.

use serde_json::{Map, Value, json};

use super::{
    Card, Price, SubscriptionInit,
    form::Form,
    server::error_body,
    state::{State, Table},
};

type Outcome = Result<Value, (u16, Value)>;

/// A checkout session can be paid for so long.
const SESSION_LIFE: i64 = 24 * 3600;
const MAX_PAGE: i64 = 100;

fn refused(code: &str, message: &str) -> (u16, Value) {
    (400, error_body("invalid_request_error", code, message))
}

fn missing(what: &str, id: &str) -> (u16, Value) {
    let mut body = error_body("invalid_request_error", "resource_missing", &format!("No such {what}: '{id}'"));
    body["error"]["param"] = json!("id");
    (404, body)
}

/// A parameter that cannot be accepted.
fn refused_param(code: &str, param: &str, message: &str) -> (u16, Value) {
    let (status, mut body) = refused(code, message);
    body["error"]["param"] = json!(param);
    (status, body)
}

/// What an object of this list is called in an error.
fn singular(list: &str) -> String {
    list.trim_end_matches('s').replace("checkout/session", "checkout.session")
}

fn required<'f>(form: &'f Form, name: &str) -> Result<&'f str, (u16, Value)> {
    let missing = || refused_param("parameter_missing", name, &format!("Missing required param: {name}."));
    form.get(name).ok_or_else(missing)
}

impl State {
    /// Status and body.
    pub(super) fn route(&mut self, method: &str, path: &str, form: &Form) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let outcome = match (method, parts.as_slice()) {
            ("POST", ["v1", "customers"]) => self.post_customer(form),
            ("POST", ["v1", "customers", id]) => self.post_update("customers", id, form),
            ("DELETE", ["v1", "customers", id]) => self.delete_customer_by_call(id),
            ("POST", ["v1", "products"]) => Ok(self.post_product(form)),
            ("POST", ["v1", "prices"]) => self.post_price(form),
            ("POST", ["v1", "prices", id]) => self.post_update("prices", id, form),
            ("POST", ["v1", "checkout", "sessions"]) => self.post_checkout(form),
            ("POST", ["v1", "checkout", "sessions", id, "expire"]) => self.post_expire(id),
            ("POST", ["v1", "subscriptions"]) => self.post_subscription(form),
            ("POST", ["v1", "subscriptions", id]) => self.post_subscription_update(id, form),
            ("DELETE", ["v1", "subscriptions", id]) => self.delete_subscription(id),
            ("POST", ["v1", "billing_portal", "sessions"]) => self.post_portal(form),
            ("POST", ["v1", "refunds"]) => self.post_refund(form),
            ("GET", ["v1", "events"]) => self.list_events(form),
            ("GET", ["v1", "checkout", "sessions"]) => self.list("checkout/sessions", form),
            ("GET", ["v1", "checkout", "sessions", id, "line_items"]) => self.line_items(id),
            ("GET", ["v1", "events", id]) => self.event(id),
            ("GET", ["v1", "checkout", "sessions", id]) => self.get("checkout/sessions", id, form),
            ("GET", ["v1", list]) => self.list(list, form),
            ("GET", ["v1", list, id]) => self.get(list, id, form),
            _ => Err((
                404,
                error_body("invalid_request_error", "", &format!("Unrecognized request URL ({method}: {path})")),
            )),
        };
        outcome.map_or_else(|failed| failed, |body| (200, body))
    }

    fn unrecognized(list: &str) -> (u16, Value) {
        (404, error_body("invalid_request_error", "", &format!("Unrecognized request URL (GET: /v1/{list})")))
    }

    fn get(&self, list: &str, id: &str, form: &Form) -> Outcome {
        let table = self.table(list).ok_or_else(|| Self::unrecognized(list))?;
        let object = table.get(id).ok_or_else(|| missing(&singular(list), id))?;
        Ok(self.shown(object, &form.list("expand")))
    }

    /// A page, newest first.
    fn list(&self, list: &str, form: &Form) -> Outcome {
        let table = self.table(list).ok_or_else(|| Self::unrecognized(list))?;
        let ended = |row: &Value| row["status"] == "canceled" || row["status"] == "incomplete_expired";
        let wanted = |row: &&Value| {
            let status = match form.get("status") {
                Some("all") => true,
                Some("ended") => ended(row),
                Some(status) => row["status"] == status,
                None => list != "subscriptions" || !ended(row),
            };
            let same = |name: &str| form.get(name).is_none_or(|text| row[name] == text);
            let within =
                |name: &str, member: &Value| form.get(name).is_none_or(|text| member == text || row[name] == text);
            status
                && row["deleted"] != true
                && ["customer", "email", "charge", "payment_intent", "product"].into_iter().all(same)
                && within("subscription", &row["parent"]["subscription_details"]["subscription"])
                && within("price", &row["items"]["data"][0]["price"]["id"])
                && form.get("active").is_none_or(|text| row["active"] == (text == "true"))
                && is_in_time(form, row["created"].as_i64().unwrap_or_default())
        };
        let expand: Vec<&str> = form.list("expand").into_iter().filter_map(|path| path.strip_prefix("data.")).collect();
        Self::page(list, table.0.iter().rev().filter(wanted).collect(), form, |row| self.shown(row, &expand))
    }

    fn page(list: &str, rows: Vec<&Value>, form: &Form, show: impl Fn(&Value) -> Value) -> Outcome {
        let limit = form.number("limit").unwrap_or(10);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(refused("", "This value must be between 1 and 100."));
        }
        let place = |id: &str| rows.iter().position(|row| row["id"] == id);
        let (first, end) = match (form.get("starting_after"), form.get("ending_before")) {
            (Some(after), _) => (place(after).ok_or_else(|| missing("object", after))? + 1, rows.len()),
            (None, Some(before)) => (0, place(before).ok_or_else(|| missing("object", before))?),
            (None, None) => (0, rows.len()),
        };
        let limit = usize::try_from(limit).unwrap_or(1);
        let rows = &rows[first.min(end)..end];
        // Backwards a page is the rows next to where it begins.
        let backwards = form.get("ending_before").is_some();
        let shown = if backwards { &rows[rows.len().saturating_sub(limit)..] } else { &rows[..rows.len().min(limit)] };
        let data: Vec<Value> = shown.iter().map(|row| show(row)).collect();
        Ok(json!({"object": "list", "url": format!("/v1/{list}"), "has_more": rows.len() > shown.len(), "data": data}))
    }

    fn line_items(&self, id: &str) -> Outcome {
        let session = self.sessions.get(id).ok_or_else(|| missing("checkout.session", id))?;
        Ok(session["line_items"].clone())
    }

    fn event(&self, id: &str) -> Outcome {
        let event = self.events.iter().find(|event| event.id == id).ok_or_else(|| missing("event", id))?;
        Ok(serde_json::from_slice(&event.payload).unwrap_or_default())
    }

    fn list_events(&self, form: &Form) -> Outcome {
        let types = form.list("types");
        let rows: Vec<Value> = self
            .events
            .iter()
            .rev()
            .filter(|event| is_in_time(form, event.created.timestamp()))
            .filter(|event| types.is_empty() || types.contains(&&*event.kind))
            .filter(|event| form.get("type").is_none_or(|kind| event.kind == kind))
            .filter_map(|event| serde_json::from_slice(&event.payload).ok())
            .collect();
        // An event keeps the shape in which it was sent.
        Self::page("events", rows.iter().collect(), form, Value::clone)
    }

    fn post_customer(&mut self, form: &Form) -> Outcome {
        if form.get("email").is_some_and(|email| !email.contains('@')) {
            return Err(refused("email_invalid", "Invalid email address."));
        }
        let customer = self.new_customer(form.get("email"), form.get("name"), form.object("metadata"));
        Ok(self.shown(&customer, &[]))
    }

    /// Overwrites plain members and merges the metadata.
    fn post_update(&mut self, list: &str, id: &str, form: &Form) -> Outcome {
        let table: &mut Table = if list == "prices" { &mut self.prices } else { &mut self.customers };
        let live = table.get_mut(id).filter(|object| object["deleted"] != true);
        let object = live.ok_or_else(|| missing(&singular(list), id))?;
        for name in ["email", "name", "description", "active"].into_iter().filter(|name| form.has(name)) {
            object[name] = match form.get(name) {
                Some("true") => json!(true),
                Some("false") => json!(false),
                text => json!(text),
            };
        }
        merge(object, form);
        let object = object.clone();
        if list == "customers" {
            self.emit("customer.updated", &object);
        }
        Ok(self.shown(&object, &[]))
    }

    fn delete_customer_by_call(&mut self, id: &str) -> Outcome {
        let known = self.customers.get(id).is_some_and(|customer| customer["deleted"] != true);
        if !known {
            return Err(missing("customer", id));
        }
        self.delete_customer(id);
        Ok(json!({"id": id, "object": "customer", "deleted": true}))
    }

    fn post_product(&mut self, form: &Form) -> Value {
        let product = json!({"id": form.get("id").map_or_else(|| self.id("prod"), str::to_owned), "object": "product",
            "created": self.now(), "active": true, "name": form.get("name"), "livemode": self.options.livemode,
            "metadata": form.object("metadata")});
        self.products.0.push(product.clone());
        product
    }

    fn post_price(&mut self, form: &Form) -> Outcome {
        let product = match form.get("product") {
            Some(product) => product.to_owned(),
            None => self.id("prod"),
        };
        let price = Price {
            id: self.id("price"),
            product,
            unit_amount: form.number("unit_amount").unwrap_or(0),
            interval: form.get("recurring[interval]").unwrap_or("month").to_owned(),
            currency: required(form, "currency")?.to_owned(),
            metadata: form.object("metadata"),
            product_metadata: Map::new(),
        };
        Ok(self.new_price(&price))
    }

    fn price_for_sale(&self, id: &str) -> Result<Value, (u16, Value)> {
        let price = self.prices.get(id).ok_or_else(|| {
            refused_param("resource_missing", "line_items[0][price]", &format!("No such price: '{id}'"))
        })?;
        if price["active"] == false {
            return Err(refused("", &format!("The price specified is inactive: '{id}'.")));
        }
        Ok(price.clone())
    }

    fn live_customer(&self, id: &str) -> Result<(), (u16, Value)> {
        let known = self.customers.get(id).is_some_and(|customer| customer["deleted"] != true);
        if known {
            Ok(())
        } else {
            Err(refused_param("resource_missing", "customer", &format!("No such customer: '{id}'")))
        }
    }

    fn post_checkout(&mut self, form: &Form) -> Outcome {
        if required(form, "mode")? != "subscription" {
            return Err(refused("", "This fake sells subscriptions only."));
        }
        let price = self.price_for_sale(required(form, "line_items[0][price]")?)?;
        for name in ["success_url", "cancel_url"] {
            if form.get(name).is_some_and(|url| !url.starts_with("http")) {
                return Err(refused("url_invalid", "Not a valid URL"));
            }
        }
        required(form, "success_url")?;
        let customer = match form.get("customer") {
            Some(id) => self.live_customer(id).map(|()| id.to_owned())?,
            None => {
                self.new_customer(form.get("customer_email"), None, Map::new())["id"].as_str().unwrap_or("").to_owned()
            }
        };
        let (id, now) = (self.id("cs_test"), self.now());
        let session = json!({
            "id": id, "object": "checkout.session", "mode": "subscription", "status": "open", "payment_status": "unpaid",
            "created": now, "expires_at": form.number("expires_at").unwrap_or(now + SESSION_LIFE),
            "url": format!("https://checkout.stripe.test/c/pay/{id}"), "customer": customer,
            "client_reference_id": form.get("client_reference_id"), "success_url": form.get("success_url"),
            "cancel_url": form.get("cancel_url"), "subscription": null, "livemode": self.options.livemode,
            "metadata": form.object("metadata"), "currency": price["currency"],
            "subscription_data": {"metadata": form.object("subscription_data[metadata]")},
            "line_items": {"object": "list", "has_more": false, "data": [{"id": self.id("li"), "object": "item",
                "quantity": form.number("line_items[0][quantity]").unwrap_or(1), "price": price}]},
        });
        self.sessions.0.push(session.clone());
        self.quiet_until = 0;
        Ok(self.shown(&session, &form.list("expand")))
    }

    fn post_expire(&mut self, id: &str) -> Outcome {
        let session = self.sessions.get(id).ok_or_else(|| missing("checkout.session", id))?;
        if session["status"] != "open" {
            return Err(refused("", "Only Checkout Sessions with a status in [\"open\"] can be expired."));
        }
        self.expire_session(id);
        self.get("checkout/sessions", id, &Form::default())
    }

    fn post_subscription(&mut self, form: &Form) -> Outcome {
        let customer = required(form, "customer")?;
        self.live_customer(customer)?;
        required(form, "items[0][price]")?;
        let prices: Vec<&str> = (0..20).map_while(|n| form.get(&format!("items[{n}][price]"))).collect();
        for price in &prices {
            self.price_for_sale(price)?;
        }
        let init = SubscriptionInit {
            quantity: form.number("items[0][quantity]").and_then(|count| u64::try_from(count).ok()),
            metadata: form.object("metadata"),
            trial_end: form
                .number("trial_end")
                .or(form.number("trial_period_days").map(|days| self.now() + days * 86_400)),
            send_invoice: form.is("collection_method", "send_invoice"),
            card: if form.is("payment_behavior", "default_incomplete") {
                Card::NeedsAuthentication
            } else {
                Card::Good
            },
        };
        let id = self.subscribe(customer, &prices, &init);
        self.get("subscriptions", &id, form)
    }

    fn post_subscription_update(&mut self, id: &str, form: &Form) -> Outcome {
        let before = self.subscriptions.get(id).ok_or_else(|| missing("subscription", id))?.clone();
        if before["status"] == "canceled" {
            return Err(refused("resource_missing", "A canceled subscription can only update its metadata."));
        }
        if let Some(price) = form.get("items[0][price]") {
            self.price_for_sale(price)?;
            if !form.has("items[0][id]") {
                // Without the id of an item it is one more item: the classic way to bill twice.
                self.add_item(id, price, 1);
            } else if before["items"]["data"][0]["price"]["id"] != price {
                let card = self.private(id).card;
                self.change_price(id, price, card);
            }
        }
        let mut members = Map::new();
        if let Some(ends) = form.get("cancel_at_period_end") {
            members = self.ends_with_period(id, ends == "true");
        }
        if form.has("cancel_at") {
            members.insert("cancel_at".to_owned(), json!(form.number("cancel_at")));
        }
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            merge(subscription, form);
        }
        self.set(id, Value::Object(members));
        self.emit_subscription("updated", id);
        self.get("subscriptions", id, form)
    }

    fn delete_subscription(&mut self, id: &str) -> Outcome {
        let subscription = self.subscriptions.get(id).ok_or_else(|| missing("subscription", id))?;
        if subscription["status"] == "canceled" {
            return Err(missing("subscription", id));
        }
        self.end(id, self.now());
        self.get("subscriptions", id, &Form::default())
    }

    fn post_portal(&mut self, form: &Form) -> Outcome {
        let customer = required(form, "customer")?;
        self.live_customer(customer)?;
        let id = self.id("bps");
        let flow = form.get("flow_data[type]").map(|kind| {
            let of = |name: &str| form.get(&format!("flow_data[{kind}]{name}"));
            json!({"type": kind, kind: {"subscription": of("[subscription]"),
                "items": [{"id": of("[items][0][id]"), "price": of("[items][0][price]")}]}})
        });
        let session = json!({"id": id, "object": "billing_portal.session", "created": self.now(), "customer": customer,
            "url": format!("https://billing.stripe.test/p/session/{id}"), "return_url": form.get("return_url"),
            "livemode": self.options.livemode, "flow": flow});
        self.portals.0.push(session.clone());
        self.emit("billing_portal.session.created", &session);
        Ok(session)
    }

    fn post_refund(&mut self, form: &Form) -> Outcome {
        let charge = match (form.get("charge"), form.get("payment_intent")) {
            (Some(charge), _) => charge.to_owned(),
            (None, Some(payment)) => payment.replacen("pi_", "ch_", 1),
            (None, None) => return Err(refused("parameter_missing", "One of charge and payment_intent is required.")),
        };
        if self.charges.get(&charge).is_none() {
            return Err(missing("charge", &charge));
        }
        self.refund(&charge, form.number("amount"))
            .ok_or_else(|| refused("charge_already_refunded", "The charge has already been refunded."))
    }
}

/// The filter `created[gte]` and its like.
fn is_in_time(form: &Form, created: i64) -> bool {
    let bound = |name: &str| form.number(&format!("created[{name}]"));
    bound("gte").is_none_or(|at| created >= at)
        && bound("gt").is_none_or(|at| created > at)
        && bound("lte").is_none_or(|at| created <= at)
        && bound("lt").is_none_or(|at| created < at)
        && form.number("created").is_none_or(|at| created == at)
}

fn merge(object: &mut Value, form: &Form) {
    for (name, value) in form.object("metadata") {
        // An empty text takes a key away.
        if value == "" {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove(&name);
            }
        } else {
            object["metadata"][name] = value;
        }
    }
}
