//! Whether a tenant's security scan may attack its target: by the operator's list, or by proof of control.

use hmac::{Hmac, KeyInit, Mac};
use nat_core::secret::{ExposeSecret, SecretString};
use nat_core::{Actor, Error, ErrorCode, Result, TenantId};
use sha2::Sha256;
use std::time::Duration;
use url::Url;

use super::Scans;
use super::validate::Accepted;
use crate::engine::ScanKind;
use crate::policy::{AllowList, is_own_machine};
use crate::transport::Limits;
use crate::transport::fetch::PolicyFetcher;

/// Where the token is served.
const WELL_KNOWN: &str = "/.well-known/nat.txt";
/// Before the token in a TXT record.
const RECORD: &str = "nat-verification=";
/// Of the file.
const MAX_FILE: usize = 16 << 10;
/// For the whole answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Hex digits of a token: 128 bits.
const TOKEN: usize = 32;

/// Whom security scans may attack. By default whatever may be scanned.
#[derive(Clone, Debug, Default)]
pub struct Permission {
    /// Targets that need no proof; without a key the only ones.
    pub allow: Option<AllowList>,
    /// What tenants' tokens are made from. Set: other targets need proof of control.
    pub key: Option<SecretString>,
}

/// What a target needs before it may be attacked.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Proof,
    /// It cannot be had.
    Listing,
}

impl Permission {
    fn need(&self, target: &Url) -> Need {
        let is_listed = self.allow.as_ref().is_some_and(|list| list.allows(target));
        match (&self.allow, &self.key) {
            (None, None) => Need::Nothing,
            // A loopback target of a hosted server never comes so far.
            _ if is_listed || is_own_machine(target) => Need::Nothing,
            (_, Some(_)) => Need::Proof,
            (Some(_), None) => Need::Listing,
        }
    }

    /// The token that a tenant shows; none when no proof is asked for.
    #[must_use]
    pub fn token(&self, tenant: &TenantId) -> Option<String> {
        let key = self.key.as_ref()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
        mac.update(b"nat ownership token 1\0");
        mac.update(tenant.as_str().as_bytes());
        let mut token = hex::encode(mac.finalize().into_bytes());
        token.truncate(TOKEN);
        Some(token)
    }
}

impl Scans {
    /// The token by which this tenant proves control of a target; none when this server asks for none.
    #[must_use]
    pub fn ownership_token(&self, tenant: &TenantId) -> Option<String> {
        self.ports.permission.token(tenant)
    }

    /// 422 `TARGET_NOT_ALLOWED` or 403 `OWNERSHIP_NOT_PROVED` when a security scan may not attack its target.
    pub(super) async fn require_permission(&self, actor: &Actor, kind: ScanKind, accepted: &Accepted) -> Result<()> {
        if kind != ScanKind::Security || accepted.config.safe_mode {
            return Ok(());
        }
        let host = accepted.url.host_str().unwrap_or_default();
        match self.ports.permission.need(&accepted.url) {
            Need::Nothing => Ok(()),
            Need::Listing => {
                let message = format!("The target '{host}' is not allowed: not_on_allow_list.");
                Err(Error::new(ErrorCode::TargetNotAllowed, message).with("reason", "not_on_allow_list"))
            }
            Need::Proof => {
                let Some(token) = self.ownership_token(&actor.tenant_id) else {
                    return Err(Error::internal("the ownership key makes no token"));
                };
                let place = accepted.url.join(WELL_KNOWN).map_err(Error::internal)?;
                if self.file_holds(&place, &token).await || self.record_holds(host, &token).await {
                    return Ok(());
                }
                let message = format!(
                    "Security scans need proof that you control '{host}': serve the text {token} at {place}, or put the TXT \
                     record {RECORD}{token} on {host}."
                );
                let error = Error::new(ErrorCode::OwnershipNotProved, message);
                Err(error.with("token", token).with("proof_url", place.as_str()))
            }
        }
    }

    /// Redirects are not followed: the text must come from the target itself.
    async fn file_holds(&self, place: &Url, token: &str) -> bool {
        let engine = &self.ports.engine;
        let limits = Limits {
            connect_timeout: TIMEOUT,
            first_byte_timeout: TIMEOUT,
            total_timeout: TIMEOUT,
            ..Limits::default()
        };
        let fetcher = PolicyFetcher {
            policy: engine.policy.clone(),
            connect: engine.connect.clone(),
            limits,
            scan_id: "ownership".to_owned(),
        };
        let request = crate::transport::Request::new("GET", WELL_KNOWN);
        match fetcher.send(place, request, MAX_FILE).await {
            Ok(response) if response.status == 200 => holds(&response.body, token),
            _ => false,
        }
    }

    async fn record_holds(&self, host: &str, token: &str) -> bool {
        let wanted = format!("{RECORD}{token}");
        let records = self.ports.engine.policy.resolver.texts(host).await.unwrap_or_default();
        records.iter().any(|record| record.trim() == wanted)
    }
}

/// A line of the file is the token. A page that repeats whatever was asked does not know it.
fn holds(body: &[u8], token: &str) -> bool {
    String::from_utf8_lossy(body).lines().any(|line| line.trim() == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn need_follows_list_and_key() {
        let list = Some(AllowList::parse("api.example.org").unwrap());
        let key = Some(SecretString::from("k".repeat(32)));
        let open = Permission::default();
        let listed = Permission { allow: list.clone(), key: None };
        let proved = Permission { allow: None, key: key.clone() };
        let both = Permission { allow: list, key };
        for (permission, url, expected) in [
            (&open, "http://other.example.org", Need::Nothing),
            (&listed, "http://api.example.org", Need::Nothing),
            (&listed, "http://other.example.org", Need::Listing),
            (&listed, "http://127.0.0.1", Need::Nothing),
            (&proved, "http://api.example.org", Need::Proof),
            (&both, "http://api.example.org", Need::Nothing),
            (&both, "http://other.example.org", Need::Proof),
        ] {
            assert_eq!(permission.need(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn token_is_one_tenants_and_one_keys() {
        let with = |key: &str| Permission { allow: None, key: Some(key.to_owned().into()) };
        let (first, second) = (TenantId::from("acme"), TenantId::from("bolt"));
        let token = with("one").token(&first).unwrap();
        assert_eq!((token.len(), with("one").token(&first)), (TOKEN, Some(token.clone())));
        assert_ne!(with("one").token(&second), Some(token.clone()));
        assert_ne!(with("two").token(&first), Some(token));
        assert_eq!(Permission::default().token(&first), None);
    }

    #[test]
    fn file_holds_the_token_on_a_line_of_its_own() {
        for (body, expected) in [
            ("abc", true),
            ("# ours\nabc\r\nother", true),
            (" abc ", true),
            ("xabc", false),
            ("abcd", false),
            ("<p>abc</p>", false),
            ("", false),
        ] {
            assert_eq!(holds(body.as_bytes(), "abc"), expected, "{body}");
        }
    }
}
