//! `tenant` and `key`: the same service methods as the API, for the operator of a server.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use nat::billing::service::SyncTenant;
use nat::config::Settings;
use nat::core::access::{ApiKey, CreateApiKey, NewApiKey};
use nat::core::secret::ExposeSecret;
use nat::core::{Actor, Error, ErrorCode, KeyId, TenantId};
use nat::server::App;

use super::{exit, output};

/// Commands about tenants.
#[derive(Subcommand)]
pub(super) enum TenantCommand {
    /// Register a tenant and print its first API key, which is shown only this once.
    #[command(after_help = "Example:\n  nat tenant add acme --email ops@acme.example --plan pro")]
    Add {
        /// Its id: letters, digits and _ . : @ -
        id: String,
        /// Contact address.
        #[arg(long)]
        email: String,
        /// Display name.
        #[arg(long)]
        name: Option<String>,
        /// Plan; the first of the catalogue when absent.
        #[arg(long)]
        plan: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Show a tenant's plan, usage, and the token that proves control of a target (with NAT_OWNERSHIP_KEY).
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

/// Commands about API keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// List a tenant's keys.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Make a key and print it; it is shown only this once.
    #[command(after_help = "Example:\n  nat key create --tenant acme --name ci --scope scans:write --scope scans:read")]
    Create {
        #[command(flatten)]
        of: Of,
        /// A label.
        #[arg(long)]
        name: String,
        /// A scope; may be repeated. All but keys:* when absent.
        #[arg(long)]
        scope: Vec<String>,
        /// When it dies, for example 2027-01-31T00:00:00Z.
        #[arg(long)]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Replace a key by a new one and print it.
    Rotate {
        #[command(flatten)]
        of: Of,
        /// The ten characters behind nat_pk_.
        id: String,
        /// How long the old key goes on working, at most 604800.
        #[arg(long, default_value_t = 0)]
        grace_seconds: i64,
    },
    /// Kill a key at once.
    Revoke {
        #[command(flatten)]
        of: Of,
        /// The ten characters behind nat_pk_.
        id: String,
    },
}

/// Whose keys, and in which database.
#[derive(clap::Args)]
pub(super) struct Of {
    /// The tenant.
    #[arg(long)]
    tenant: String,
    #[command(flatten)]
    settings: Box<Settings>,
}

/// Runs a command about tenants.
pub(super) async fn tenant(command: TenantCommand) -> ExitCode {
    match command {
        TenantCommand::Add { id, email, name, plan, settings } => {
            let input = SyncTenant { tenant_id: Some(id), email: Some(email), name, plan, ..SyncTenant::default() };
            with_app(&settings, async |app| {
                let made = app.services.billing.sync_tenant(input, None).await?;
                Ok(format!(
                    "tenant   {}\nplan     {}\nAPI key  {}\n",
                    made.tenant.id,
                    made.tenant.entitlement.plan_id,
                    made.key.secret.expose_secret()
                ))
            })
            .await
        }
        TenantCommand::Show { id, settings } => {
            with_app(&settings, async |app| {
                let actor = operator(&app, &id).await?;
                let usage = app.services.usage.summary(&actor).await?;
                let of = |limit: Option<u32>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
                let token = app.services.scans.ownership_token(&actor.tenant_id);
                let token = token.map_or_else(String::new, |token| format!("ownership       {token}\n"));
                Ok(format!(
                    "tenant          {id}\nplan            {}\nscans           {} of {}\nsecurity scans  {} of {}\nresets          {}\n{token}",
                    usage.plan_id,
                    usage.scans_used,
                    of(usage.scans_limit),
                    usage.security_scan_count,
                    of(usage.monthly_security_scan_quota),
                    usage.period.end.format("%Y-%m-%dT%H:%M:%SZ"),
                ))
            })
            .await
        }
    }
}

/// Runs a command about keys.
pub(super) async fn key(command: KeyCommand) -> ExitCode {
    match command {
        KeyCommand::List { of } => {
            for_tenant(of, async |app, actor| {
                let keys = app.services.keys.list(&actor).await?;
                Ok(keys.iter().map(|key| key_line(key, app.services.clock.now())).collect())
            })
            .await
        }
        KeyCommand::Create { of, name, scope, expires_at } => {
            let input = CreateApiKey { name, scopes: (!scope.is_empty()).then_some(scope), expires_at };
            for_tenant(of, async |app, actor| Ok(shown_once(&app.services.keys.create(&actor, input).await?))).await
        }
        KeyCommand::Rotate { of, id, grace_seconds } => {
            for_tenant(of, async |app, actor| {
                Ok(shown_once(&app.services.keys.rotate(&actor, &KeyId::from(id), Some(grace_seconds)).await?))
            })
            .await
        }
        KeyCommand::Revoke { of, id } => {
            for_tenant(of, async |app, actor| {
                app.services.keys.revoke(&actor, &KeyId::from(id.as_str())).await?;
                Ok(format!("nat_pk_{id} is revoked\n"))
            })
            .await
        }
    }
}

async fn for_tenant(of: Of, work: impl AsyncFnOnce(App, Actor) -> Result<String, Error>) -> ExitCode {
    with_app(&of.settings, async |app| {
        let actor = operator(&app, &of.tenant).await?;
        work(app, actor).await
    })
    .await
}

/// Opens the database, does the work, prints what it says.
pub(super) async fn with_app(settings: &Settings, work: impl AsyncFnOnce(App) -> Result<String, Error>) -> ExitCode {
    let config = match settings.check() {
        Ok(config) => config,
        Err(problems) => return super::server::refuse(&problems),
    };
    let done = match nat::server::compose(&config).await {
        Ok(app) => work(app).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(text) => output::print(&text),
        Err(error) => {
            let code = if error.code.status() < 500 { exit::GATE_FAILED } else { exit::INTERNAL };
            let cause = error.cause().map_or_else(String::new, |cause| format!(" ({cause})"));
            exit::fail(code, &format!("{}{cause}", error.message))
        }
    }
}

/// The operator acting for a tenant.
pub(super) async fn operator(app: &App, tenant: &str) -> Result<Actor, Error> {
    let nobody = || Error::new(ErrorCode::NotFound, format!("there is no tenant '{tenant}'"));
    let tenant = app.services.store.find_tenant(&TenantId::from(tenant)).await?.ok_or_else(nobody)?;
    let plan_id = tenant.entitlement.plan_at(app.services.clock.now()).clone();
    Ok(Actor::system(tenant.id, plan_id))
}

fn shown_once(made: &NewApiKey) -> String {
    format!("{}\n", made.secret.expose_secret())
}

fn key_line(key: &ApiKey, now: DateTime<Utc>) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) if at <= now => "revoked",
        (_, Some(at)) if at <= now => "expired",
        _ => "active",
    };
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let used =
        key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", at.format("%Y-%m-%d %H:%M")));
    format!("{}  {state:<7}  {:<20}  {used}  {}\n", key.prefix(), key.name, scopes.join(","))
}
