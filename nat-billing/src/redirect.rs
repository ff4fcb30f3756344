//! Where a customer may be sent back to. A redirect to anywhere would let a stolen link phish our customers.

use nat_core::error::Validation;
use url::{Host, Url};

/// Longer URLs are refused; browsers and Stripe have trouble with them anyway.
pub const MAX_URL_BYTES: usize = 2048;

/// Hosts that `success_url`, `cancel_url` and `return_url` may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedirectPolicy {
    /// Any host over https, and loopback over http too.
    #[default]
    AnyHttps,
    /// Only these hosts (`app.example.com`, or `app.example.com:8443` for that port only), over https; a loopback host
    /// that is listed over http too.
    Hosts(Vec<String>),
}

impl RedirectPolicy {
    /// The URL in `value`, or a note in `validation` that says what is wrong with `field`.
    pub fn check(&self, validation: &mut Validation, field: &str, value: Option<String>) -> String {
        let text = value.unwrap_or_default();
        if text.is_empty() {
            validation.missing(field);
        } else if let Err(what) = self.judge(&text) {
            validation.invalid(field, what);
        }
        text
    }

    fn judge(&self, text: &str) -> Result<(), &'static str> {
        if text.len() > MAX_URL_BYTES {
            return Err("must be at most 2048 bytes long");
        }
        // The parser would drop tabs and newlines and strip spaces; what is judged must be what is sent.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err("must be an absolute URL without white space, control characters or backslashes");
        }
        let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
        let host = url.host().ok_or("must be an absolute http or https URL")?;
        // The parser forgives missing and surplus slashes, and sees a host where others see a path.
        if text[url.scheme().len()..].strip_prefix("://").is_none_or(|rest| rest.starts_with('/')) {
            return Err("must be an absolute URL with two slashes before the host");
        }
        let loopback = match &host {
            Host::Domain(name) => *name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err("must be an https URL (http only for loopback)"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user name or a password");
        }
        let name = host.to_string();
        let with_port = format!("{name}:{}", url.port_or_known_default().unwrap_or_default());
        let listed = |hosts: &[String]| hosts.iter().any(|listed| *listed == name || *listed == with_port);
        match self {
            Self::Hosts(hosts) if !listed(hosts) => Err("names a host that this server does not redirect to"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_https_host_and_loopback_are_allowed() {
        let check = |url: &str, allowed: bool| {
            assert_eq!(RedirectPolicy::AnyHttps.judge(url).is_ok(), allowed, "{url:?}");
        };
        check("https://app.example.com/dashboard?checkout=success", true);
        check("https://app.example.com/?session={CHECKOUT_SESSION_ID}#x", true);
        check("http://localhost:3000/ok", true);
        check("http://127.0.0.1/ok", true);
        check("http://[::1]:8080/", true);
        for refused in [
            "http://app.example.com/",
            "//evil.example/",
            "/dashboard",
            "dashboard",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://app.example.com/",
            "https://",
            "https:///path",
            "https:/app.example.com/",
            "https:app.example.com",
            "https://user@app.example.com/",
            "https://user:secret@app.example.com/",
            "https://app.example.com/\r\nLocation: https://evil.example",
            "https://app.example.com/a b",
            " https://app.example.com/",
            "https://app.example.com\\@evil.example/",
            "http://localhost.evil.example/",
        ] {
            check(refused, false);
        }
        check(&format!("https://a.example/{}", "x".repeat(MAX_URL_BYTES)), false);
    }

    #[test]
    fn listed_hosts_are_compared_whole() {
        let policy =
            RedirectPolicy::Hosts(vec!["app.example.com".into(), "dev.example.com:8443".into(), "127.0.0.1".into()]);
        let check = |url: &str, allowed: bool| assert_eq!(policy.judge(url).is_ok(), allowed, "{url:?}");
        check("https://app.example.com/x", true);
        check("https://APP.example.com:9000/x", true);
        check("https://dev.example.com:8443/", true);
        check("http://127.0.0.1:5000/", true);
        check("https://dev.example.com/", false);
        check("http://app.example.com/", false);
        check("https://app.example.com.evil.example/", false);
        check("https://evil.example/app.example.com", false);
        check("https://xapp.example.com/", false);
        check("http://localhost/", false);
    }
}
