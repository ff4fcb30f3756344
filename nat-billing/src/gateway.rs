//! The payment port: what this crate asks of a payment provider, in the provider's facts and our types.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nat_core::{Error, ErrorCode};

use crate::subscription::Subscription;

/// Seconds that a client should wait while the provider is away.
const RETRY_AFTER_S: u32 = 10;

/// Calls to the payment provider. Every call is bounded in time and repeats what may safely be repeated: a call that
/// makes something takes an idempotency key, so that repeating it makes nothing twice.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// Whether real money moves. Events of the other mode are not ours.
    fn livemode(&self) -> bool;

    /// Makes a customer and returns its id.
    async fn create_customer(&self, new: &NewCustomer<'_>) -> Result<String, GatewayError>;

    /// The customer; one that was deleted is returned as such, one that never existed is [`GatewayError::NotFound`].
    async fn get_customer(&self, customer_id: &str) -> Result<Customer, GatewayError>;

    /// All subscriptions of a customer, in every status.
    async fn list_subscriptions(&self, customer_id: &str) -> Result<Vec<Subscription>, GatewayError>;

    /// A page of the subscriptions of all customers that were not cancelled, behind `after`.
    async fn list_all_subscriptions(&self, after: Option<&str>) -> Result<SubscriptionPage, GatewayError>;

    /// The plan that the product's metadata names.
    async fn product_plan(&self, product_id: &str) -> Result<Option<String>, GatewayError>;

    /// Opens a checkout for one subscription.
    async fn create_checkout(&self, new: &NewCheckout<'_>) -> Result<CheckoutSession, GatewayError>;

    /// The checkout session, if it exists.
    async fn find_checkout(&self, session_id: &str) -> Result<Option<CheckoutSession>, GatewayError>;

    /// Makes an open session unpayable. Fine when it is not open any more.
    async fn expire_checkout(&self, session_id: &str) -> Result<(), GatewayError>;

    /// Opens the customer portal.
    async fn create_portal(&self, new: &NewPortal<'_>) -> Result<PortalSession, GatewayError>;

    /// Ends a subscription at once. With `refund`, what was last paid for it goes back; without, the unused time is
    /// credited.
    async fn cancel_subscription(&self, subscription_id: &str, refund: bool) -> Result<(), GatewayError>;
}

/// Why a call to the provider failed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// It cannot be reached, asks to slow down, or failed on its side; later may work.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(String),
    /// No such object.
    #[error("the payment provider has no such object")]
    NotFound,
    /// It refuses the call, and will again.
    #[error("the payment provider refuses the call: {code}: {message}")]
    Refused {
        /// Its machine-readable reason, for example `card_declined`.
        code: String,
        /// Its words, for the log.
        message: String,
    },
}

impl From<GatewayError> for Error {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Unavailable(_) => {
                Self::new(ErrorCode::StripeUnavailable, "Stripe is temporarily unavailable. Please retry.")
                    .retry_after(RETRY_AFTER_S)
                    .caused_by(error)
            }
            GatewayError::NotFound | GatewayError::Refused { .. } => Self::internal(error),
        }
    }
}

/// A customer to make.
#[derive(Clone, Copy, Debug)]
pub struct NewCustomer<'a> {
    /// Kept in its metadata: the way back to the tenant.
    pub tenant_id: &'a str,
    /// Contact address.
    pub email: &'a str,
    /// Display name.
    pub name: Option<&'a str>,
    /// The same key makes the same customer.
    pub idempotency_key: &'a str,
}

/// A customer as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// It was deleted, with all its subscriptions.
    pub deleted: bool,
    /// The tenant that its metadata names.
    pub tenant_id: Option<String>,
}

/// A page of subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionPage {
    /// Newest first.
    pub subscriptions: Vec<Subscription>,
    /// There are more behind the last one.
    pub has_more: bool,
}

/// A checkout to open.
#[derive(Clone, Copy, Debug)]
pub struct NewCheckout<'a> {
    /// Who pays.
    pub customer_id: &'a str,
    /// For what.
    pub price_id: &'a str,
    /// Kept as `client_reference_id` and in the metadata of session and subscription.
    pub tenant_id: &'a str,
    /// Where the customer returns to after paying.
    pub success_url: &'a str,
    /// Where the customer returns to without paying.
    pub cancel_url: &'a str,
    /// The same key opens the same session. It can be paid for 24 hours.
    pub idempotency_key: &'a str,
}

/// Where a checkout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutState {
    /// Can be paid.
    Open,
    /// Was gone through; whether the money came is the subscription's matter.
    Complete,
    /// Can no longer be paid.
    Expired,
}

/// A checkout session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutSession {
    /// `cs_…`
    pub id: String,
    /// Where the customer pays; absent once it is not open any more.
    pub url: Option<String>,
    /// Where it stands.
    pub state: CheckoutState,
    /// Whose.
    pub customer_id: Option<String>,
    /// From then on it cannot be paid.
    pub expires_at: DateTime<Utc>,
}

/// A portal session to open.
#[derive(Clone, Copy, Debug)]
pub struct NewPortal<'a> {
    /// Whose.
    pub customer_id: &'a str,
    /// Where the customer returns to.
    pub return_url: &'a str,
    /// Leads straight to the confirmation of another price for this subscription.
    pub switch: Option<Switch<'a>>,
}

/// A change of price within a subscription, which the customer confirms.
#[derive(Clone, Copy, Debug)]
pub struct Switch<'a> {
    /// Which subscription.
    pub subscription_id: &'a str,
    /// Its item.
    pub item_id: &'a str,
    /// The price to change to.
    pub price_id: &'a str,
}

/// An open portal session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalSession {
    /// `bps_…`
    pub id: String,
    /// Where the customer goes.
    pub url: String,
}
