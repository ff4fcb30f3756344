//! `billing`: what Stripe says beside what we have, and putting it right.

use std::process::ExitCode;

use clap::Subcommand;
use nat::billing::service::{BillingStatus, Drift};
use nat::config::Settings;
use nat::core::{Error, TenantId};
use nat::server::App;

use super::admin::{operator, with_app};

/// Commands about billing.
#[derive(Subcommand)]
pub(super) enum BillingCommand {
    /// List every tenant whose plan differs from Stripe's state, and why. Changes nothing.
    Drift {
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Fetch Stripe's state and put right what differs: what the hourly sweep does, now.
    #[command(after_help = "Examples:
  nat billing reconcile --dry-run          what would change
  nat billing reconcile                    every tenant that differs
  nat billing reconcile --tenant acme      one tenant, whether it differs or not")]
    Reconcile {
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        /// Only this tenant.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Show how a tenant's billing stands, as last seen.
    Status {
        /// The tenant.
        #[arg(long)]
        tenant: String,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

/// Runs a command about billing.
pub(super) async fn billing(command: BillingCommand) -> ExitCode {
    match command {
        BillingCommand::Drift { settings } => {
            with_app(&settings, async |app| Ok(table(&app.services.billing.drift().await?))).await
        }
        BillingCommand::Reconcile { dry_run, tenant, settings } => {
            with_app(&settings, async |app| match tenant {
                Some(tenant) => reconcile_one(&app, &tenant, dry_run).await,
                None => reconcile_all(&app, dry_run).await,
            })
            .await
        }
        BillingCommand::Status { tenant, settings } => {
            with_app(&settings, async |app| {
                let actor = operator(&app, &tenant).await?;
                Ok(sheet(&app.services.billing.status(&actor, None).await?))
            })
            .await
        }
    }
}

async fn reconcile_one(app: &App, tenant: &str, dry_run: bool) -> Result<String, Error> {
    let billing = &app.services.billing;
    let actor = operator(app, tenant).await?;
    if dry_run {
        let drifts = billing.drift().await?;
        let ours: Vec<Drift> = drifts.into_iter().filter(|drift| drift.tenant_id == actor.tenant_id).collect();
        return Ok(table(&ours));
    }
    if !billing.reconcile_tenant(&TenantId::from(tenant)).await? {
        return Ok(format!("{tenant} has no customer at Stripe: there is nothing to fetch\n"));
    }
    Ok(sheet(&billing.status(&actor, None).await?))
}

async fn reconcile_all(app: &App, dry_run: bool) -> Result<String, Error> {
    let billing = &app.services.billing;
    if dry_run {
        return Ok(table(&billing.drift().await?));
    }
    let drifts = billing.repair().await?;
    billing.run_due().await?;
    let left = billing.drift().await?;
    let repaired = drifts.iter().filter(|drift| !left.iter().any(|other| other.tenant_id == drift.tenant_id)).count();
    Ok(format!("{}{repaired} put right, {} left\n", table(&drifts), left.len()))
}

fn table(drifts: &[Drift]) -> String {
    if drifts.is_empty() {
        return "every tenant has what Stripe says\n".to_owned();
    }
    let mut text = format!("{:<24} {:<12} {:<12} why\n", "tenant", "here", "Stripe");
    for drift in drifts {
        let (tenant, ours, theirs) = (drift.tenant_id.as_str(), drift.ours.as_str(), drift.theirs.as_str());
        text += &format!("{tenant:<24} {ours:<12} {theirs:<12} {}\n", drift.cause.explanation());
    }
    text
}

fn sheet(status: &BillingStatus) -> String {
    let date = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut text = format!("plan            {}\n", status.plan_id);
    if let Some((at, next)) = status.plan_ends_at.zip(status.next_plan_id.as_ref()) {
        text += &format!("ends            {}, then {next}\n", date(at));
    }
    match &status.subscription {
        Some(seen) => text += &format!("subscription    {} ({}, plan {})\n", seen.id, seen.status, seen.plan_id),
        None => text += "subscription    none\n",
    }
    if let Some(until) = status.subscription.as_ref().and_then(|seen| seen.grace_until) {
        text += &format!("payment failed  the plan goes on until {}\n", date(until));
    }
    text
}
