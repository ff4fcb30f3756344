//! The settings of payments and of sync-tenant.

use chrono::TimeDelta;
use nat_billing::BillingSettings;
use nat_billing::price::PriceBook;
use nat_billing::redirect::RedirectPolicy;
use nat_core::plan::PlanCatalogue;
use nat_core::secret::SecretString;

use super::{Config, Report, Settings};

/// Stands for all of `STRIPE_PRICE_ID_PRO`, `STRIPE_PRICE_ID_TEAM`, …
const PRICES: &str = "STRIPE_PRICE_ID_<PLAN>";

/// `STRIPE_PRICE_ID_<PLAN>` of the environment: plan in the variable's spelling, and prices. The plans are data, so clap
/// cannot know the names of the variables.
pub(super) fn price_variables() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let ours = std::env::vars_os().filter_map(text);
    let prices = ours.filter_map(|(name, value)| Some((name.strip_prefix("STRIPE_PRICE_ID_")?.to_owned(), value)));
    prices.filter(|(_, value)| !value.trim().is_empty()).collect()
}

impl Settings {
    pub(super) fn billing(&self, plans: &PlanCatalogue, report: &mut Report) -> BillingSettings {
        BillingSettings {
            prices: self.prices(plans, report),
            redirects: self.redirects(report),
            grace: self.grace(report),
            sync_key: self.sync_key(report),
            webhook_secrets: self.webhook_secrets(report),
        }
    }

    /// Flags first: what is given for one start goes before what the environment always says.
    fn prices(&self, plans: &PlanCatalogue, report: &mut Report) -> PriceBook {
        let mut book = PriceBook::default();
        let flags = self.stripe_price_ids.iter().filter(|text| !text.is_empty()).map(|text| {
            text.split_once('=')
                .map_or((text.clone(), String::new()), |(plan, prices)| (plan.to_owned(), prices.to_owned()))
        });
        let variables = self.price_variables.iter().map(|(name, prices)| {
            // A variable cannot hold a hyphen and is usually written in capitals.
            let spelt = |plan: &str| plan.to_uppercase().replace('-', "_");
            let plan = plans.plans().iter().find(|plan| spelt(plan.id.as_str()) == *name);
            (plan.map_or_else(|| name.to_lowercase(), |plan| plan.id.to_string()), prices.clone())
        });
        for (plan, prices) in flags.chain(variables) {
            let prices: Vec<&str> = prices.split(',').map(str::trim).filter(|price| !price.is_empty()).collect();
            match plans.find(&plan.as_str().into()) {
                None => report.error(PRICES, format!("there is no plan '{plan}'")),
                Some(found) if plans.is_free(&found.id) => {
                    report.error(PRICES, format!("the plan '{plan}' is not sold"))
                }
                Some(_) if prices.is_empty() || prices.iter().any(|price| !price.starts_with("price_")) => {
                    report.error(PRICES, format!("the prices of plan '{plan}' must be ids of Stripe prices (price_…)"));
                }
                Some(found) => {
                    if let Err(price) = book.insert(&found.id, &prices) {
                        report.error(PRICES, format!("{price} is a price of two plans"));
                    }
                }
            }
        }
        book
    }

    fn redirects(&self, report: &mut Report) -> RedirectPolicy {
        let Some(text) = report.trimmed("NAT_REDIRECT_HOSTS", self.redirect_hosts.as_ref()) else {
            return RedirectPolicy::AnyHttps;
        };
        let mut hosts = Vec::new();
        for host in text.split(',').map(str::trim).filter(|host| !host.is_empty()) {
            let parsed = url::Url::parse(&format!("https://{host}/"));
            let plain = parsed.is_ok_and(|url| url.path() == "/" && url.username().is_empty() && url.query().is_none());
            if plain && !host.contains(['/', '@', '*']) {
                hosts.push(host.to_lowercase());
            } else {
                report.error("NAT_REDIRECT_HOSTS", format!("'{host}' is no host such as app.example.com"));
            }
        }
        RedirectPolicy::Hosts(hosts)
    }

    fn grace(&self, report: &mut Report) -> TimeDelta {
        let unset = nat_billing::service::DEFAULT_GRACE;
        match self.billing_grace_days.trim() {
            "" => unset,
            text => text.parse().ok().filter(|days| (0..=90).contains(days)).map_or_else(
                || {
                    report.error("NAT_BILLING_GRACE_DAYS", "must be a number from 0 to 90");
                    unset
                },
                TimeDelta::days,
            ),
        }
    }

    pub(super) fn stripe_secret_key(&self, report: &mut Report) -> Option<SecretString> {
        let key = report.trimmed("STRIPE_SECRET_KEY", self.stripe_secret_key.as_ref())?;
        if !(key.starts_with("sk_") || key.starts_with("rk_")) || key.chars().any(|c| !c.is_ascii_graphic()) {
            report.error("STRIPE_SECRET_KEY", "must begin with sk_ or rk_: copy it from the page of API keys");
            return None;
        }
        Some(key.into())
    }

    pub(super) fn stripe_api_base(&self, report: &mut Report) -> Option<String> {
        let base = report.trimmed("STRIPE_API_BASE", self.stripe_api_base.as_ref())?;
        match url::Url::parse(&base) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() => {
                report.warn("STRIPE_API_BASE", "is set: calls do not go to Stripe");
                Some(base)
            }
            _ => {
                report.error("STRIPE_API_BASE", "must be an http or https URL without a path");
                None
            }
        }
    }

    /// Payments need three things; one of them alone does less than somebody may think.
    pub(super) fn warn_of_half_a_configuration(&self, config: &Config, report: &mut Report) {
        let (key, hook) = (config.stripe_secret_key.is_some(), !config.billing.webhook_secrets.is_empty());
        if key && !hook {
            report.warn("STRIPE_WEBHOOK_SECRET", "is unset: plans follow Stripe only by the hourly sweep");
        }
        if hook && !key {
            report.warn("STRIPE_SECRET_KEY", "is unset: webhooks are taken, but no plan follows them");
        }
        if key && config.billing.prices == PriceBook::default() {
            report.warn(PRICES, "is unset for every plan: nothing can be bought");
        }
    }

    fn sync_key(&self, report: &mut Report) -> Option<SecretString> {
        let key = report.trimmed("NAT_APP_SYNC_KEY", self.app_sync_key.as_ref())?;
        if key.chars().count() < 32 {
            report.warn("NAT_APP_SYNC_KEY", "has fewer than 32 characters and is not used: sync-tenant answers 503");
            return None;
        }
        Some(key.into())
    }

    fn webhook_secrets(&self, report: &mut Report) -> Vec<SecretString> {
        let Some(text) = report.trimmed("STRIPE_WEBHOOK_SECRET", self.stripe_webhook_secret.as_ref()) else {
            return Vec::new();
        };
        let mut secrets = Vec::new();
        for secret in text.split(',').map(str::trim).filter(|secret| !secret.is_empty()) {
            if secret.starts_with("whsec_") {
                secrets.push(secret.to_owned().into());
            } else {
                let hint = "must begin with whsec_: copy it from the webhook endpoint's page, not from API keys";
                report.error("STRIPE_WEBHOOK_SECRET", hint);
            }
        }
        secrets
    }
}
