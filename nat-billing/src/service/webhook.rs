//! Taking a webhook: verified, recorded, and answered before anything else is done.

use nat_core::{Result, audit::AuditEntry, store::CoreTx};
use serde_json::json;

use super::{Billing, not_configured};
use crate::{
    account::Alarm,
    webhook::{inbox::StripeEvent, signature},
};

impl Billing {
    /// Takes a webhook: verifies `signature` over the raw `payload`, then the JSON, then records the event id once and
    /// asks for the customer's state to be looked at, all in one transaction and without a call to Stripe. An event
    /// that is known already is a success. 503 `BILLING_NOT_CONFIGURED` without a webhook secret; 503 without the
    /// database, so that Stripe delivers it again.
    pub async fn accept_webhook(&self, payload: &[u8], signature: Option<&str>) -> Result<()> {
        if self.ports.settings.webhook_secrets.is_empty() {
            return Err(not_configured());
        }
        let now = self.ports.clock.now();
        let event = self.verified(payload, signature).inspect_err(|error| {
            let outcome = error.code.as_str();
            metrics::counter!("nat_stripe_webhooks_total", "outcome" => outcome).increment(1);
            tracing::warn!(outcome, reason = %error.message, "stripe webhook refused");
        })?;
        let outcome = if self.is_of_other_mode(&event) {
            "ignored_mode"
        } else if self.record(&event, now).await? {
            self.wake.notify_waiters();
            "new"
        } else {
            "known"
        };
        metrics::counter!("nat_stripe_webhooks_total", "outcome" => outcome).increment(1);
        tracing::info!(event = event.id, kind = event.kind, outcome, "stripe webhook");
        Ok(())
    }

    fn verified(&self, payload: &[u8], header: Option<&str>) -> Result<StripeEvent> {
        let now = self.ports.clock.now();
        let signed_at = signature::signed_at(payload, header, &self.ports.settings.webhook_secrets)?;
        // Stripe signs each delivery anew, so this is the error of our clock, give or take the time on the way.
        #[expect(clippy::cast_precision_loss, reason = "seconds of a skew fit")]
        metrics::gauge!("nat_stripe_clock_skew_seconds").set((now - signed_at).num_seconds() as f64);
        signature::check_time(signed_at, now)?;
        StripeEvent::parse(payload)
    }

    /// An event of test mode at a live deployment, or the reverse, is none of ours.
    fn is_of_other_mode(&self, event: &StripeEvent) -> bool {
        let ours = self.ports.gateway.as_ref().map(|gateway| gateway.livemode());
        ours.zip(event.livemode).is_some_and(|(ours, theirs)| ours != theirs)
    }

    /// True when the event is new.
    async fn record(&self, event: &StripeEvent, now: chrono::DateTime<chrono::Utc>) -> Result<bool> {
        let store = &self.ports.store;
        let account = match (&event.alarm, &event.customer_id) {
            (Some(_), Some(customer_id)) => store.find_account_by_customer(customer_id).await?,
            _ => None,
        };
        let mut tx = store.begin().await?;
        if !store.record_event(tx.as_mut(), event, now).await? {
            return Ok(false);
        }
        if let Some(customer_id) = &event.customer_id {
            store.want_work(tx.as_mut(), customer_id, now).await?;
        }
        if let Some(alarm) = event.alarm {
            let tenant_id = account.map(|account| account.tenant_id);
            self.raise(tx.as_mut(), tenant_id.as_ref(), alarm, json!({"event": event.id, "kind": event.kind})).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Tells of what needs a person: the log, the metric and, when it is known whose matter it is, the audit log.
    pub(super) async fn raise(
        &self,
        tx: &mut dyn CoreTx,
        tenant_id: Option<&nat_core::TenantId>,
        alarm: Alarm,
        mut detail: serde_json::Value,
    ) -> Result<()> {
        metrics::counter!("nat_billing_alarms_total", "alarm" => alarm.as_str()).increment(1);
        let tenant = tenant_id.map_or("unknown", |id| id.as_str());
        tracing::warn!(alarm = alarm.as_str(), tenant, %detail, "billing alarm: {}", alarm.explanation());
        let Some(tenant_id) = tenant_id else { return Ok(()) };
        detail["alarm"] = json!(alarm.as_str());
        tx.append_audit(&self.line(tenant_id, "billing.alarm", alarm.as_str(), detail)).await
    }

    /// A line of the audit log for what Stripe's state brought about.
    pub(super) fn line(
        &self,
        tenant_id: &nat_core::TenantId,
        action: &'static str,
        subject: &str,
        detail: serde_json::Value,
    ) -> AuditEntry {
        AuditEntry {
            tenant_id: tenant_id.clone(),
            actor: "stripe".to_owned(),
            action: action.into(),
            subject: subject.to_owned(),
            detail,
            request_id: None,
            at: self.ports.clock.now(),
        }
    }
}
