//! Subscriptions as the payment provider states them, and what follows from them.
//!
//! [`fold()`] is the only rule that turns the provider's state into a plan. It is pure: the same state, the same memory
//! and the same instant give the same answer, in whatever order the news of it came.

mod state;

use chrono::{DateTime, Utc};

pub use state::{Folded, Known, Surplus, fold};

/// What is read of a subscription. Members that the provider left out are `None` and change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// Whose.
    pub customer_id: String,
    /// Where it stands.
    pub status: Status,
    /// The tenant that its metadata names: set by our checkout.
    pub tenant_id: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it began, which a backdated one did before it was made.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended for good.
    pub ended_at: Option<DateTime<Utc>>,
    /// The instant that its periods are counted from.
    pub anchor: Option<DateTime<Utc>>,
    /// It will end then.
    pub cancel_at: Option<DateTime<Utc>>,
    /// It will end with the running period.
    pub cancel_at_period_end: bool,
    /// The customer is sent invoices to pay later, so the first one may well be open.
    pub pays_by_invoice: bool,
    /// What is subscribed to.
    pub items: Vec<Item>,
    /// The last invoice.
    pub latest_invoice: Option<Invoice>,
}

/// An item of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// `price_…`
    pub price_id: String,
    /// `prod_…`
    pub product_id: Option<String>,
    /// The plan that the metadata of the price names.
    pub plan_hint: Option<String>,
    /// How many.
    pub quantity: Option<u64>,
    /// The running period: on the item since Stripe's API of 2025-03-31, on the subscription before.
    pub period_start: Option<DateTime<Utc>>,
    /// The first instant of the next one.
    pub period_end: Option<DateTime<Utc>>,
}

/// What is read of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// It was paid, or there was nothing to pay.
    pub paid: bool,
    /// It is the one that the subscription began with.
    pub first: bool,
}

/// The statuses that Stripe documents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Stripe's names")]
pub enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Unpaid,
    Paused,
    Canceled,
    /// One that this version does not know.
    Other(String),
}

impl Status {
    const KNOWN: [(&'static str, Self); 8] = [
        ("incomplete", Self::Incomplete),
        ("incomplete_expired", Self::IncompleteExpired),
        ("trialing", Self::Trialing),
        ("active", Self::Active),
        ("past_due", Self::PastDue),
        ("unpaid", Self::Unpaid),
        ("paused", Self::Paused),
        ("canceled", Self::Canceled),
    ];

    /// The status of that name; every text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|(name, _)| *name == text);
        known.map_or_else(|| Self::Other(text.to_owned()), |(_, status)| status)
    }

    /// Stripe's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(text) => text,
            known => Self::KNOWN.iter().find(|(_, status)| status == known).map_or("", |(name, _)| name),
        }
    }
}
