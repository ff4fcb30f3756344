//! One customer of Stripe's for one tenant.

use nat_core::{Error, Result, TenantId, audit::AuditEntry, store::CoreTx, tenant::Tenant};
use serde_json::json;

use super::Billing;
use crate::{
    account::{AccountState, BillingAccount},
    gateway::NewCustomer,
};

impl Billing {
    /// The tenant's account, or the one it would get now.
    pub(super) async fn account(&self, tenant: &Tenant) -> Result<BillingAccount> {
        let found = self.ports.store.find_account(&tenant.id).await?;
        Ok(found.unwrap_or_else(|| self.new_account(tenant)))
    }

    /// An account without a customer. What the tenant has by now is what it goes back to without a subscription.
    fn new_account(&self, tenant: &Tenant) -> BillingAccount {
        let plan_id = tenant.entitlement.plan_at(self.ports.clock.now()).clone();
        let base_plan_id = Some(plan_id).filter(|plan| !self.ports.plans.is_free(plan));
        let state = AccountState { base_plan_id, ..AccountState::default() };
        BillingAccount { tenant_id: tenant.id.clone(), customer_id: None, state }
    }

    /// The tenant's customer; made when there is none. Parallel calls make one: they use the same idempotency key.
    pub(super) async fn customer_of(&self, tenant: &Tenant, account: &BillingAccount) -> Result<String> {
        if let Some(customer_id) = &account.customer_id {
            return Ok(customer_id.clone());
        }
        let key = format!("tenant:{}:customer:{}", tenant.id, account.state.customers_deleted);
        let new = NewCustomer {
            tenant_id: tenant.id.as_str(),
            email: &tenant.email,
            name: tenant.name.as_deref(),
            idempotency_key: &key,
        };
        let customer_id = self.gateway()?.create_customer(&new).await?;
        let mut tx = self.ports.store.begin().await?;
        let bound = self.bind(tx.as_mut(), &tenant.id, &customer_id).await?;
        tx.commit().await?;
        bound.ok_or_else(|| Error::internal(format!("customer {customer_id} is bound to another tenant")))
    }

    /// Binds the tenant to the customer, unless it has one. The customer that it has afterwards; `None` when the
    /// customer belongs to another tenant, or the tenant is gone.
    pub(super) async fn bind(
        &self,
        tx: &mut dyn CoreTx,
        tenant_id: &TenantId,
        customer_id: &str,
    ) -> Result<Option<String>> {
        let store = &self.ports.store;
        let Some(mut tenant) = tx.lock_tenant(tenant_id).await? else { return Ok(None) };
        let mut account = store.lock_account(tx, tenant_id).await?.unwrap_or_else(|| self.new_account(&tenant));
        if account.customer_id.is_some() {
            return Ok(account.customer_id);
        }
        account.customer_id = Some(customer_id.to_owned());
        if !store.save_account(tx, &account).await? {
            return Ok(None);
        }
        tenant.stripe_customer_id = Some(customer_id.to_owned());
        tx.update_tenant(&tenant).await?;
        tx.append_audit(&self.line(tenant_id, "billing.customer_bound", customer_id, json!({}))).await?;
        Ok(account.customer_id)
    }

    /// The account that a new tenant begins with when it is registered with a customer. False when that customer
    /// belongs to another tenant.
    pub(super) async fn adopt(&self, tx: &mut dyn CoreTx, tenant: &Tenant, customer_id: &str) -> Result<bool> {
        let account = BillingAccount {
            tenant_id: tenant.id.clone(),
            customer_id: Some(customer_id.to_owned()),
            // The plan it was registered with is the subscription's, which is looked at next.
            state: AccountState::default(),
        };
        if !self.ports.store.save_account(tx, &account).await? {
            return Ok(false);
        }
        self.ports.store.want_work(tx, customer_id, self.ports.clock.now()).await?;
        Ok(true)
    }

    /// Forgets a customer that was deleted, so that the next checkout makes another one.
    pub(super) fn unbind(account: &mut BillingAccount, tenant: &mut Tenant) {
        account.customer_id = None;
        account.state.customers_deleted += 1;
        account.state.checkout = None;
        account.state.checkouts_ended += 1;
        tenant.stripe_customer_id = None;
    }

    /// A line of the audit log for what a key did.
    pub(super) fn line_by(
        &self,
        actor: &nat_core::Actor,
        action: &'static str,
        subject: &str,
        detail: serde_json::Value,
    ) -> AuditEntry {
        AuditEntry::by(actor, action, subject, detail, self.ports.clock.now())
    }
}
