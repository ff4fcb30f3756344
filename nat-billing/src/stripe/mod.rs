//! The gateway to Stripe, over the async-stripe client. No type of it leaves this folder.
//!
//! async-stripe sends the requests (authentication, API version, TLS, time-out); the answers are read leniently here,
//! because its generated types fail as a whole when one member is missing or moved, and a subscription that cannot be
//! read must not stop billing. See `docs/decisions/0004-stripe.md`.

mod call;
mod read;

use std::time::Duration;

use async_trait::async_trait;
use nat_core::secret::{ExposeSecret, SecretString};
use serde_json::Value;
use stripe::{Client, ClientBuilder};

use self::call::Call;
use crate::{
    gateway::{
        CheckoutSession, Customer, GatewayError, NewCheckout, NewCustomer, NewPortal, PaymentGateway, PortalSession,
        SubscriptionPage,
    },
    price::PLAN_METADATA,
    subscription::Subscription,
};

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// Stripe's largest page.
const PAGE: &str = "100";
/// Pages of one customer's subscriptions; a customer with more than 2,000 is no customer.
const MAX_PAGES: usize = 20;

/// Calls to Stripe, or to whatever speaks like it at another base URL.
#[derive(Clone)]
pub struct StripeGateway {
    client: Client,
    livemode: bool,
}

impl StripeGateway {
    /// A gateway with `secret_key` (`sk_…` or `rk_…`). `base_url` (for example `http://127.0.0.1:12111`) is for tests.
    ///
    /// # Errors
    /// A sentence: the key or the URL cannot be used. Never holds the key.
    pub fn new(secret_key: &SecretString, base_url: Option<&str>) -> Result<Self, String> {
        Self::with_timeout(secret_key, base_url, ATTEMPT_TIMEOUT)
    }

    /// The same, with another time that each of the three attempts of a call may take.
    ///
    /// # Errors
    /// As [`StripeGateway::new`].
    pub fn with_timeout(
        secret_key: &SecretString,
        base_url: Option<&str>,
        attempt_timeout: Duration,
    ) -> Result<Self, String> {
        let key = secret_key.expose_secret();
        let mut builder = ClientBuilder::new(key).timeout(attempt_timeout).app_info(
            "NAT",
            Some(env!("CARGO_PKG_VERSION").to_owned()),
            None,
        );
        if let Some(url) = base_url {
            // The client puts the path behind it as it is.
            builder = builder.url(format!("{}/", url.trim_end_matches('/')));
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client, livemode: key.starts_with("sk_live_") || key.starts_with("rk_live_") })
    }

    /// All pages of a list, oldest page last.
    async fn pages(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, GatewayError> {
        let mut rows: Vec<Value> = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut call = Call::get(path).query("limit", PAGE);
            for (name, value) in query {
                call = call.query(name, value);
            }
            let after = rows.last().and_then(|row| read::text(row, "id"));
            if let Some(after) = &after {
                call = call.query("starting_after", after);
            }
            let page = call.send(&self.client).await?;
            let (more, data) = read::page(page)?;
            rows.extend(data);
            if !more {
                return Ok(rows);
            }
        }
        Err(GatewayError::Refused {
            code: "too_many".into(),
            message: format!("{path} has more than {MAX_PAGES} pages"),
        })
    }
}

#[async_trait]
impl PaymentGateway for StripeGateway {
    fn livemode(&self) -> bool {
        self.livemode
    }

    async fn create_customer(&self, new: &NewCustomer<'_>) -> Result<String, GatewayError> {
        let mut call = Call::post("/customers", new.idempotency_key)
            .form("email", new.email)
            .form("metadata[tenant_id]", new.tenant_id);
        if let Some(name) = new.name {
            call = call.form("name", name);
        }
        let customer = call.send(&self.client).await?;
        read::text(&customer, "id").ok_or_else(|| read::unreadable("a customer without an id"))
    }

    async fn get_customer(&self, customer_id: &str) -> Result<Customer, GatewayError> {
        let customer = Call::get(&format!("/customers/{}", call::segment(customer_id))).send(&self.client).await?;
        read::customer(&customer)
    }

    async fn list_subscriptions(&self, customer_id: &str) -> Result<Vec<Subscription>, GatewayError> {
        let query = [("customer", customer_id), ("status", "all"), ("expand[0]", "data.latest_invoice")];
        let rows = self.pages("/subscriptions", &query).await?;
        rows.iter().map(read::subscription).collect()
    }

    async fn list_all_subscriptions(&self, after: Option<&str>) -> Result<SubscriptionPage, GatewayError> {
        let mut call = Call::get("/subscriptions").query("limit", PAGE).query("expand[0]", "data.latest_invoice");
        if let Some(after) = after {
            call = call.query("starting_after", after);
        }
        let (has_more, rows) = read::page(call.send(&self.client).await?)?;
        let subscriptions = rows.iter().map(read::subscription).collect::<Result<_, _>>()?;
        Ok(SubscriptionPage { subscriptions, has_more })
    }

    async fn product_plan(&self, product_id: &str) -> Result<Option<String>, GatewayError> {
        match Call::get(&format!("/products/{}", call::segment(product_id))).send(&self.client).await {
            Ok(product) => Ok(read::text(&product["metadata"], PLAN_METADATA)),
            Err(GatewayError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_checkout(&self, new: &NewCheckout<'_>) -> Result<CheckoutSession, GatewayError> {
        let session = Call::post("/checkout/sessions", new.idempotency_key)
            .form("mode", "subscription")
            .form("customer", new.customer_id)
            .form("client_reference_id", new.tenant_id)
            .form("line_items[0][price]", new.price_id)
            .form("line_items[0][quantity]", "1")
            .form("success_url", new.success_url)
            .form("cancel_url", new.cancel_url)
            .form("metadata[tenant_id]", new.tenant_id)
            .form("subscription_data[metadata][tenant_id]", new.tenant_id)
            .send(&self.client)
            .await?;
        read::checkout(&session)
    }

    async fn find_checkout(&self, session_id: &str) -> Result<Option<CheckoutSession>, GatewayError> {
        let path = format!("/checkout/sessions/{}", call::segment(session_id));
        match Call::get(&path).send(&self.client).await {
            Ok(session) => read::checkout(&session).map(Some),
            Err(GatewayError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn expire_checkout(&self, session_id: &str) -> Result<(), GatewayError> {
        let path = format!("/checkout/sessions/{}/expire", call::segment(session_id));
        match Call::post(&path, &format!("{session_id}:expire")).send(&self.client).await {
            // Stripe refuses to expire what is not open.
            Ok(_) | Err(GatewayError::NotFound | GatewayError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create_portal(&self, new: &NewPortal<'_>) -> Result<PortalSession, GatewayError> {
        let mut call = Call::post_unkeyed("/billing_portal/sessions")
            .form("customer", new.customer_id)
            .form("return_url", new.return_url);
        if let Some(switch) = &new.switch {
            let flow = "flow_data[subscription_update_confirm]";
            call = call
                .form("flow_data[type]", "subscription_update_confirm")
                .form(&format!("{flow}[subscription]"), switch.subscription_id)
                .form(&format!("{flow}[items][0][id]"), switch.item_id)
                .form(&format!("{flow}[items][0][price]"), switch.price_id)
                .form(&format!("{flow}[items][0][quantity]"), "1")
                .form("flow_data[after_completion][type]", "redirect")
                .form("flow_data[after_completion][redirect][return_url]", new.return_url);
        }
        let session = call.send(&self.client).await?;
        match (read::text(&session, "id"), read::text(&session, "url")) {
            (Some(id), Some(url)) => Ok(PortalSession { id, url }),
            _ => Err(read::unreadable("a portal session without id or url")),
        }
    }

    async fn cancel_subscription(&self, subscription_id: &str, refund: bool) -> Result<(), GatewayError> {
        let path = format!("/subscriptions/{}", call::segment(subscription_id));
        let before = match Call::get(&path).query("expand[0]", "latest_invoice.payments").send(&self.client).await {
            Ok(subscription) => subscription,
            Err(GatewayError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        if read::text(&before, "status").as_deref() != Some("canceled") {
            let mut call = Call::delete(&path);
            if !refund {
                call = call.form("invoice_now", "true").form("prorate", "true");
            }
            match call.send(&self.client).await {
                // Ended meanwhile, or by the attempt whose answer was lost: Stripe keeps no keys for DELETE.
                Ok(_) | Err(GatewayError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let Some((kind, payment)) = read::payment(&before["latest_invoice"]).filter(|_| refund) else { return Ok(()) };
        let refunded =
            Call::post("/refunds", &format!("{payment}:refund")).form(kind, &payment).send(&self.client).await;
        match refunded {
            Err(GatewayError::Refused { code, .. }) if code == "charge_already_refunded" => Ok(()),
            other => other.map(|_| ()),
        }
    }
}
