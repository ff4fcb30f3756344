//! What a server is told: environment variables or flags, checked all at once.
//!
//! [`Settings`] is what came in, as text; [`Settings::check`] turns it into a [`Config`] or into every mistake found.
//! No mistake quotes a secret.

mod billing;
mod graphql;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use nat_billing::BillingSettings;
use nat_billing::redirect::RedirectPolicy;
use nat_core::plan::PlanCatalogue;
use nat_core::secret::SecretString;
use nat_scan::callback::CallbackAddress;
use nat_scan::policy::{AllowList, IpNet};
use nat_scan::service::Permission;

/// Characters of the key that tokens are made from.
const LEAST_KEY: usize = 32;

/// The text of each setting, empty or absent meaning unset. One member a row of the table in `docs/operating.md`.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Server settings")]
pub struct Settings {
    /// Database: a SQLite file or a PostgreSQL server.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "sqlite://nat.db?mode=rwc")]
    pub database_url: String,

    /// Public address of the API.
    #[arg(long, env = "NAT_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: String,

    /// Address of /metrics, apart from the API. Unset: off.
    #[arg(long, env = "NAT_METRICS_LISTEN")]
    pub metrics_listen: Option<String>,

    /// Secret that sync-tenant asks for, at least 32 characters. Unset: sync-tenant answers 503.
    #[arg(long, env = "NAT_APP_SYNC_KEY", hide_env_values = true)]
    pub app_sync_key: Option<String>,

    /// Webhook signing secret (whsec_…); several, separated by commas, while it is rolled.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    pub stripe_webhook_secret: Option<String>,

    /// Key for calls to Stripe. Unset: checkout and portal answer 503.
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<String>,

    /// Stripe price of a plan, plan=price; the price that is sold first, then those sold earlier: pro=price_2,price_1.
    /// May be repeated. In the environment: STRIPE_PRICE_ID_PRO=price_2,price_1.
    #[arg(long = "stripe-price-id", value_name = "PLAN=PRICE")]
    pub stripe_price_ids: Vec<String>,

    /// Days that a paid plan goes on after a payment failed.
    #[arg(long, env = "NAT_BILLING_GRACE_DAYS", default_value = "14")]
    pub billing_grace_days: String,

    /// What the environment says of prices: `STRIPE_PRICE_ID_<PLAN>`, whatever the plans are.
    #[arg(skip = billing::price_variables())]
    pub price_variables: Vec<(String, String)>,

    /// Another base URL for calls to Stripe; for tests.
    #[arg(long, env = "STRIPE_API_BASE")]
    pub stripe_api_base: Option<String>,

    /// Hosts allowed in success_url, cancel_url and return_url, separated by commas.
    #[arg(long, env = "NAT_REDIRECT_HOSTS")]
    pub redirect_hosts: Option<String>,

    /// Shared rate limits of several servers.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    /// Where traces go.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// 32 bytes in base64 that seal stored target credentials. Made beside a SQLite file; required with PostgreSQL.
    #[arg(long, env = "NAT_SEAL_KEY", hide_env_values = true)]
    pub seal_key: Option<String>,

    /// Which targets may be scanned: self-hosted (all but --target-deny) or saas (public addresses only).
    #[arg(long, env = "NAT_MODE", default_value = "self-hosted")]
    pub mode: String,

    /// Networks that are never scanned, in CIDR form, separated by commas.
    #[arg(long, env = "NAT_TARGET_DENY")]
    pub target_deny: Option<String>,

    /// Where targets reach this process, HOST or HOST:PORT: security scans listen there for requests that targets make for
    /// others. Without a port each scan takes a free one.
    #[arg(long, env = "NAT_CALLBACK_ADDRESS")]
    pub callback_address: Option<String>,
    /// Targets that security scans may attack: host names, '*.' before a name for all below it, addresses and networks,
    /// separated by commas. Unset: all that may be scanned.
    #[arg(long, env = "NAT_TARGET_ALLOW")]
    pub target_allow: Option<String>,

    /// Secret of at least 32 characters from which tenants' verification tokens are made. Set: security scans that are
    /// more than safe mode need proof that the tenant controls the target, unless it is in --target-allow. Unset: off.
    #[arg(long, env = "NAT_OWNERSHIP_KEY", hide_env_values = true)]
    pub ownership_key: Option<String>,

    /// The dashboard at /: on, off, or auto (on, but off in saas mode).
    #[arg(long, env = "NAT_DASHBOARD", default_value = "auto")]
    pub dashboard: String,

    /// GraphiQL for browsers at /graphql: on, off, or auto (on, but off in saas mode). In builds with `graphiql` only.
    #[arg(long, env = "NAT_GRAPHIQL", default_value = "auto")]
    pub graphiql: String,

    /// Requests in one GraphQL batch, up to 10. 0: no batches.
    #[arg(long, env = "NAT_GRAPHQL_BATCH", default_value = "0")]
    pub graphql_batch: String,

    /// Origins whose pages may call the API from a browser, separated by commas, such as `https://app.example`.
    #[arg(long, env = "NAT_ORIGINS")]
    pub origins: Option<String>,

    /// Plan catalogue in the form that `nat plans` prints. Unset: the published table.
    #[arg(long, env = "NAT_PLANS_FILE")]
    pub plans_file: Option<PathBuf>,

    /// Scans that this process runs at once.
    #[arg(long, env = "NAT_WORKERS", default_value = "8")]
    pub workers: String,

    /// Log filter, for example info or nat=debug.
    #[arg(long, env = "NAT_LOG", default_value = "info")]
    pub log: String,

    /// Form of the log: text or json.
    #[arg(long, env = "NAT_LOG_FORMAT", default_value = "text")]
    pub log_format: String,
}

/// Which targets may be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything that is not denied.
    SelfHosted,
    /// Public addresses only.
    Saas,
}

/// A checked configuration.
#[derive(Clone)]
pub struct Config {
    /// `sqlite:…` or `postgres:…`
    pub database_url: String,
    /// Public address.
    pub listen: SocketAddr,
    /// Address of `/metrics`.
    pub metrics_listen: Option<SocketAddr>,
    /// Prices, redirects, secrets of sync-tenant and webhooks.
    pub billing: BillingSettings,
    /// For calls to Stripe.
    pub stripe_secret_key: Option<SecretString>,
    /// Where Stripe is, when it is not Stripe.
    pub stripe_api_base: Option<String>,
    /// Given, or found and made beside the SQLite file.
    pub seal_key: Option<[u8; 32]>,
    /// Target policy.
    pub mode: Mode,
    /// The GraphQL facade, and the origins whose pages may call the API.
    pub graphql: nat_graphql::Settings,
    /// Refused on top.
    pub target_deny: Vec<IpNet>,
    /// Where security scans listen for what targets ask.
    pub callback_address: Option<CallbackAddress>,
    /// What security scans may attack.
    pub permission: Permission,
    /// Plans.
    pub plans: PlanCatalogue,
    /// Scans at once.
    pub workers: usize,
    /// Log filter.
    pub log: String,
    /// Log as JSON lines.
    pub log_json: bool,
    /// Worth saying at start, but no reason to stop.
    pub warnings: Vec<Problem>,
}

/// One thing wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The environment variable.
    pub variable: Cow<'static, str>,
    /// What is wrong and what to do; never the value of a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)
    }
}

/// Collects problems while settings are read.
#[derive(Default)]
struct Report {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    fn error(&mut self, variable: &'static str, message: impl Into<String>) {
        self.errors.push(Problem { variable: variable.into(), message: message.into() });
    }

    fn warn(&mut self, variable: &'static str, message: impl Into<String>) {
        self.warnings.push(Problem { variable: variable.into(), message: message.into() });
    }

    fn address(&mut self, variable: &'static str, text: &str) -> SocketAddr {
        text.trim().parse().unwrap_or_else(|_| {
            self.error(variable, format!("'{text}' is not an address with a port, such as 127.0.0.1:8080"));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    /// The text without surrounding white space; `None` for unset and empty. Secrets often carry a newline.
    fn trimmed(&mut self, variable: &'static str, value: Option<&String>) -> Option<String> {
        let value = value?;
        let trimmed = value.trim();
        if trimmed.len() != value.len() {
            self.warn(variable, "has white space around its value, which is ignored");
        }
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }
}

impl Settings {
    /// Every setting checked.
    ///
    /// # Errors
    /// Every mistake, not only the first.
    pub fn check(&self) -> Result<Config, Vec<Problem>> {
        let mut report = Report::default();
        let database_url = self.database_url.trim().to_owned();
        if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| database_url.starts_with(scheme)) {
            report.error("DATABASE_URL", "must begin with sqlite: or postgres:");
        }
        let listen = report.address("NAT_LISTEN", &self.listen);
        let metrics_listen = report
            .trimmed("NAT_METRICS_LISTEN", self.metrics_listen.as_ref())
            .map(|text| report.address("NAT_METRICS_LISTEN", &text));
        let plans = self.plans(&mut report);
        let mode = self.mode(&mut report);
        let config = Config {
            listen,
            metrics_listen,
            billing: self.billing(&plans, &mut report),
            stripe_secret_key: self.stripe_secret_key(&mut report),
            stripe_api_base: self.stripe_api_base(&mut report),
            seal_key: self.seal_key(&database_url, &mut report),
            mode,
            graphql: self.graphql(mode, &mut report),
            target_deny: self.target_deny(&mut report),
            callback_address: self.callback_address(&mut report),
            permission: self.permission(&mut report),
            plans,
            workers: self.workers(&mut report),
            log: self.log.clone(),
            log_json: self.log_json(&mut report),
            warnings: Vec::new(),
            database_url,
        };
        self.warn_of_half_a_configuration(&config, &mut report);
        self.warn_of_what_is_not_used_yet(&mut report);
        if report.errors.is_empty() { Ok(Config { warnings: report.warnings, ..config }) } else { Err(report.errors) }
    }

    /// Part of the published table, but silent acceptance would promise what is not there.
    fn warn_of_what_is_not_used_yet(&self, report: &mut Report) {
        for (variable, value, instead) in [
            ("REDIS_URL", &self.redis_url, "rate limits are kept in each process"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.otlp_endpoint, "traces go to the log only"),
        ] {
            if value.as_ref().is_some_and(|value| !value.trim().is_empty()) {
                report.warn(variable, format!("is not used by this version: {instead}"));
            }
        }
    }

    fn seal_key(&self, database_url: &str, report: &mut Report) -> Option<[u8; 32]> {
        let Some(text) = report.trimmed("NAT_SEAL_KEY", self.seal_key.as_ref()) else {
            if database_url.starts_with("postgres") {
                let hint = "is required with PostgreSQL: every node needs the same. Make one with: head -c 32 /dev/urandom | base64";
                report.error("NAT_SEAL_KEY", hint);
            }
            return None;
        };
        let key = base64::engine::general_purpose::STANDARD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        if key.is_none() {
            report.error("NAT_SEAL_KEY", "must be 32 bytes in base64 (44 characters)");
        }
        key
    }

    fn mode(&self, report: &mut Report) -> Mode {
        match self.mode.trim() {
            "" | "self-hosted" => Mode::SelfHosted,
            "saas" => Mode::Saas,
            other => {
                report.error("NAT_MODE", format!("'{other}' is neither self-hosted nor saas"));
                Mode::SelfHosted
            }
        }
    }

    fn callback_address(&self, report: &mut Report) -> Option<CallbackAddress> {
        let text = report.trimmed("NAT_CALLBACK_ADDRESS", self.callback_address.as_ref())?;
        let address = text.parse().ok();
        if address.is_none() {
            report.error("NAT_CALLBACK_ADDRESS", format!("'{text}' is not HOST or HOST:PORT"));
        }
        address
    }

    fn target_deny(&self, report: &mut Report) -> Vec<IpNet> {
        let text = report.trimmed("NAT_TARGET_DENY", self.target_deny.as_ref()).unwrap_or_default();
        let mut networks = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let network = item.parse().ok().or_else(|| item.parse::<std::net::IpAddr>().ok().map(IpNet::from));
            match network {
                Some(network) => networks.push(network),
                None => report.error("NAT_TARGET_DENY", format!("'{item}' is no network such as 10.0.0.0/8")),
            }
        }
        networks
    }

    fn permission(&self, report: &mut Report) -> Permission {
        let text = report.trimmed("NAT_TARGET_ALLOW", self.target_allow.as_ref());
        let allow = text.map(|text| {
            AllowList::parse(&text).unwrap_or_else(|why| {
                report.error("NAT_TARGET_ALLOW", why);
                AllowList::default()
            })
        });
        let key = report.trimmed("NAT_OWNERSHIP_KEY", self.ownership_key.as_ref());
        if key.as_ref().is_some_and(|key| key.len() < LEAST_KEY) {
            report.error("NAT_OWNERSHIP_KEY", format!("must have at least {LEAST_KEY} characters"));
        }
        Permission { allow, key: key.map(SecretString::from) }
    }

    fn plans(&self, report: &mut Report) -> PlanCatalogue {
        let Some(path) = self.plans_file.as_ref().filter(|path| !path.as_os_str().is_empty()) else {
            return PlanCatalogue::published();
        };
        let parsed = std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| PlanCatalogue::parse(&text));
        parsed.unwrap_or_else(|error| {
            report.error("NAT_PLANS_FILE", format!("{}: {error}", path.display()));
            PlanCatalogue::published()
        })
    }

    fn workers(&self, report: &mut Report) -> usize {
        match self.workers.trim().parse() {
            Ok(count @ 1..=256) => count,
            _ => {
                report.error("NAT_WORKERS", "must be a number from 1 to 256");
                1
            }
        }
    }

    fn log_json(&self, report: &mut Report) -> bool {
        match self.log_format.trim() {
            "" | "text" => false,
            "json" => true,
            other => {
                report.error("NAT_LOG_FORMAT", format!("'{other}' is neither text nor json"));
                false
            }
        }
    }
}

/// A warning for each of these variables that looks like ours and is none: most likely misspelt.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<Problem> {
    use clap::Args;
    let ours = Settings::augment_args(clap::Command::new("nat"));
    let known: Vec<&std::ffi::OsStr> = ours.get_arguments().filter_map(clap::Arg::get_env).collect();
    let unknown = names
        .into_iter()
        // NAT_TOKEN is an argument of scans; the others are set by this project's tests.
        .filter(|name| {
            name.starts_with("NAT_") && !name.starts_with("NAT_TEST_") && name != "NAT_TOKEN" && name != "NAT_CI"
        })
        .filter(|name| !known.contains(&name.as_ref()));
    unknown.map(|name| Problem { variable: name.into(), message: "is no setting of this version".to_owned() }).collect()
}

impl Config {
    /// The settings in force, one a line, secrets redacted.
    #[must_use]
    pub fn describe(&self) -> String {
        let set = |is_set: bool| if is_set { "[set]" } else { "unset" };
        let metrics = self.metrics_listen.map_or_else(|| "unset".to_owned(), |address| address.to_string());
        let mode = if self.mode == Mode::Saas { "saas" } else { "self-hosted" };
        let deny: Vec<String> = self.target_deny.iter().map(ToString::to_string).collect();
        let plans: Vec<&str> = self.plans.plans().iter().map(|plan| plan.id.as_str()).collect();
        let priced =
            self.plans.plans().iter().filter_map(|plan| Some((&plan.id, self.billing.prices.price_of(&plan.id)?)));
        let prices: Vec<String> = priced.map(|(plan, price)| format!("{plan}={price}")).collect();
        let redirects = match &self.billing.redirects {
            RedirectPolicy::AnyHttps => "unset: any https host, and loopback".to_owned(),
            RedirectPolicy::Hosts(hosts) => hosts.join(","),
        };
        let rows = [
            ("DATABASE_URL", redact_password(&self.database_url)),
            ("NAT_LISTEN", self.listen.to_string()),
            ("NAT_METRICS_LISTEN", metrics),
            ("NAT_APP_SYNC_KEY", set(self.billing.sync_key.is_some()).to_owned()),
            ("STRIPE_SECRET_KEY", set(self.stripe_secret_key.is_some()).to_owned()),
            ("STRIPE_WEBHOOK_SECRET", set(!self.billing.webhook_secrets.is_empty()).to_owned()),
            ("STRIPE_API_BASE", self.stripe_api_base.clone().unwrap_or_else(|| "unset".to_owned())),
            ("STRIPE_PRICE_ID_<PLAN>", if prices.is_empty() { "unset".to_owned() } else { prices.join(", ") }),
            ("NAT_REDIRECT_HOSTS", redirects),
            ("NAT_BILLING_GRACE_DAYS", self.billing.grace.num_days().to_string()),
            ("NAT_SEAL_KEY", set(self.seal_key.is_some()).to_owned()),
            ("NAT_MODE", mode.to_owned()),
            ("NAT_TARGET_DENY", if deny.is_empty() { "unset".to_owned() } else { deny.join(",") }),
            (
                "NAT_CALLBACK_ADDRESS",
                self.callback_address.as_ref().map_or_else(|| "unset".to_owned(), ToString::to_string),
            ),
            (
                "NAT_TARGET_ALLOW",
                self.permission.allow.as_ref().map_or_else(|| "unset".to_owned(), ToString::to_string),
            ),
            ("NAT_OWNERSHIP_KEY", set(self.permission.key.is_some()).to_owned()),
            ("NAT_WORKERS", self.workers.to_string()),
            ("plans", plans.join(", ")),
            ("NAT_LOG", self.log.clone()),
        ];
        rows.iter().map(|(name, value)| format!("{name:<23} {value}\n")).collect()
    }

    /// True for PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.database_url.starts_with("postgres")
    }
}

/// The URL with `user:password@` reduced to `user:[redacted]@`.
fn redact_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            let user = credentials.split(':').next().unwrap_or("");
            let password = if credentials.contains(':') { ":[redacted]" } else { "" };
            format!("{scheme}://{user}{password}@{host}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
