//! The store port of billing, beside nat-core's. One concrete store implements both, so that a plan, the memory of its
//! subscription, the audit line and the end of the work commit together.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nat_core::{
    Result, TenantId,
    store::{CoreStore, CoreTx},
};

use crate::{account::BillingAccount, webhook::inbox::StripeEvent};

/// A customer whose state is to be fetched and folded. Claimed for a time, by one worker in the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedWork {
    /// Whose state.
    pub customer_id: String,
    /// How often it had been asked for when it was claimed; what is asked for later is other work.
    pub wanted: i64,
    /// Proof of the claim: the next claim has another one.
    pub token: i64,
    /// How often it failed since it was first asked for.
    pub attempts: u32,
    /// When it was first asked for.
    pub since: DateTime<Utc>,
}

/// How claimed work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkOutcome {
    /// What was wanted is done.
    Done,
    /// It is to be tried again then.
    Retry(DateTime<Utc>),
}

/// An answer of sync-tenant that is kept for its retry.
#[derive(Clone, PartialEq, Eq)]
pub struct SyncReplay {
    /// SHA-256 of the idempotency key.
    pub key_hash: [u8; 32],
    /// SHA-256 of the input.
    pub input_hash: [u8; 32],
    /// The API key, sealed.
    pub sealed_key: Vec<u8>,
    /// From then on it is forgotten.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for SyncReplay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncReplay").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Inbox, accounts and the work that is left.
#[async_trait]
pub trait BillingStore: CoreStore {
    /// Records an event unless its id is known; false then. Waits for a parallel transaction with the same id. Written
    /// in `tx`, one of this store, so that the event and its effect are durable together.
    async fn record_event(&self, tx: &mut dyn CoreTx, event: &StripeEvent, received_at: DateTime<Utc>) -> Result<bool>;

    /// Forgets events received before `before`; how many there were.
    async fn forget_events(&self, before: DateTime<Utc>) -> Result<u64>;

    /// Asks for the customer's state to be fetched and folded, from `now` on.
    async fn want_work(&self, tx: &mut dyn CoreTx, customer_id: &str, now: DateTime<Utc>) -> Result<()>;

    /// Claims work that is due, the longest due first, or that of `customer_id` whenever it is due, until `lease_until`.
    /// `None`: there is none, or somebody has it.
    async fn claim_work(
        &self,
        customer_id: Option<&str>,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<ClaimedWork>>;

    /// Writes how claimed work ended; false when the claim was lost meanwhile, and then nothing may be committed.
    async fn end_work(&self, tx: &mut dyn CoreTx, work: &ClaimedWork, outcome: &WorkOutcome) -> Result<bool>;

    /// True while something is wanted of the customer that was not done.
    async fn is_work_left(&self, customer_id: &str) -> Result<bool>;

    /// The account that is bound to a customer. The one finder without a tenant: it is how the tenant is found.
    async fn find_account_by_customer(&self, customer_id: &str) -> Result<Option<BillingAccount>>;

    /// The tenant's account.
    async fn find_account(&self, tenant_id: &TenantId) -> Result<Option<BillingAccount>>;

    /// The tenant's account as `tx`, which must have locked the tenant, sees it.
    async fn lock_account(&self, tx: &mut dyn CoreTx, tenant_id: &TenantId) -> Result<Option<BillingAccount>>;

    /// Writes the account; false when its customer is bound to another tenant.
    async fn save_account(&self, tx: &mut dyn CoreTx, account: &BillingAccount) -> Result<bool>;

    /// Accounts with a customer in order of tenant, after `after`; for the sweep and the operator.
    async fn list_accounts(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<BillingAccount>>;

    /// True for one caller of the whole cluster per `every` seconds.
    async fn take_turn(&self, name: &str, now: DateTime<Utc>, every_s: i64) -> Result<bool>;

    /// Keeps the answer that registered the tenant.
    async fn insert_replay(&self, tx: &mut dyn CoreTx, tenant_id: &TenantId, replay: &SyncReplay) -> Result<()>;

    /// The answer that registered the tenant, if it is still kept.
    async fn find_replay(&self, tenant_id: &TenantId, now: DateTime<Utc>) -> Result<Option<SyncReplay>>;

    /// Removes kept answers whose time is over.
    async fn forget_replays(&self, now: DateTime<Utc>) -> Result<u64>;
}
