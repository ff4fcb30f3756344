//! What we remember of a tenant's billing: the customer it is bound to, what was last seen of its subscription, the
//! checkout that is open, and the alarms that are raised.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use nat_core::{PlanId, TenantId};
use serde::{Deserialize, Serialize};

/// The billing account of a tenant. A tenant without one has never had anything to do with the payment provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingAccount {
    /// Whose.
    pub tenant_id: TenantId,
    /// The customer, `None` before the first checkout and after it was deleted.
    pub customer_id: Option<String>,
    /// The rest.
    pub state: AccountState,
}

/// The part of an account that no query looks into. New members have a default, so that older rows stay readable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// What the tenant has without a subscription: what it was registered with, as long as no subscription was its
    /// reason. `None` is the free plan.
    #[serde(default)]
    pub base_plan_id: Option<PlanId>,
    /// Counts the customers that were deleted, so that the next one is another one.
    #[serde(default)]
    pub customers_deleted: u32,
    /// Counts the checkouts that ended, so that the next one is another one.
    #[serde(default)]
    pub checkouts_ended: u32,
    /// The subscription that decides, as it was last seen.
    #[serde(default)]
    pub subscription: Option<KnownSubscription>,
    /// The checkout that is open.
    #[serde(default)]
    pub checkout: Option<OpenCheckout>,
    /// What needs a person; each is told once, until it is gone.
    #[serde(default)]
    pub alarms: BTreeSet<Alarm>,
    /// When the provider was last asked.
    #[serde(default)]
    pub reconciled_at: Option<DateTime<Utc>>,
}

/// The memory of a subscription: shown to the tenant, and what stands in for members that an answer lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSubscription {
    /// `sub_…`
    pub id: String,
    /// Its item, to switch its price in place.
    pub item_id: Option<String>,
    /// The provider's word for where it stands.
    pub status: String,
    /// The plan that it pays for.
    pub plan_id: PlanId,
    /// Whether it gives that plan.
    pub grants: bool,
    /// Its price.
    pub price_id: String,
    /// What its periods are counted from.
    pub anchor: Option<DateTime<Utc>>,
    /// The end of the running period.
    pub period_end: Option<DateTime<Utc>>,
    /// It is going to end then.
    pub cancel_at: Option<DateTime<Utc>>,
    /// A payment failed; the plan goes on until then.
    pub grace_until: Option<DateTime<Utc>>,
}

/// A checkout that may still be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCheckout {
    /// `cs_…`
    pub session_id: String,
    /// The price and the URLs it was opened with, as a digest.
    pub fingerprint: String,
    /// Where the customer pays.
    pub url: String,
    /// From then on it cannot be paid.
    pub expires_at: DateTime<Utc>,
}

macro_rules! alarms {
    ($($variant:ident $text:literal $why:literal)*) => {
        /// Something that needs a person: it is written into the tenant's audit log, logged and counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Alarm { $(#[doc = $why] $variant,)* }

        impl Alarm {
            /// Every alarm.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The name in audit log, log and metric.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
            /// What it means and what to do.
            #[must_use]
            pub const fn explanation(self) -> &'static str { match self { $(Self::$variant => $why,)* } }
        }
    };
}

alarms! {
    UnknownStatus "unknown_status" "The subscription has a status that this version does not know. The last plan stays."
    UnknownPrice "unknown_price" "No setting and no metadata says which plan the price stands for. The last plan stays; add the price to `STRIPE_PRICE_ID_<PLAN>`, or `nat_plan` to the metadata of its product."
    PeriodMissing "period_missing" "Stripe's answer lacks the period or the date of an end. The last known one stays."
    Quantity "quantity" "The subscription is for a quantity other than one. Quotas are not multiplied."
    SeveralSubscriptions "several_subscriptions" "More than one subscription is paid. Those of our own checkout beside the best one were ended and refunded or credited; others are left alone."
    MetadataMismatch "metadata_mismatch" "The metadata of a subscription or customer names another tenant than the one it is bound to. It grants nothing."
    UnknownCustomer "unknown_customer" "Events came for a customer that belongs to no tenant. They were kept for three days and then given up."
    Refunded "refunded" "A payment was refunded in full. The plan follows the subscription: cancel it if the refund was meant to end it."
    Disputed "disputed" "A payment was disputed. The plan follows the subscription: cancel it if the customer is not to be served."
    FraudWarning "fraud_warning" "The card's issuer suspects fraud. The plan follows the subscription."
}
