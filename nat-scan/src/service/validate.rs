//! From what the client sent to what a scan is told. Pure: the same input gives the same verdict.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nat_core::error::Validation;
use nat_core::{Error, ErrorCode, Result};
use url::Url;

use super::stored::{StoredConfig, StoredCredentials, StoredIdentities};
use super::{AuthInput, OptionsInput, StartScan};
use crate::engine::{Profile, ScanKind};
use crate::finding::Severity;
use crate::policy::{PolicyError, TargetPolicy};

/// Characters of a URL.
const MAX_URL: usize = 2048;
/// Characters of one credential.
const MAX_SECRET: usize = 8 << 10;
/// Bytes of an inline document, decoded.
const MAX_SPEC: usize = 10 << 20;
/// Patterns of `exclude`, and the characters of one.
const MAX_EXCLUDE: usize = 100;
const MAX_PATTERN: usize = 256;
const MAX_REQUESTS: i64 = 1_000_000;

/// A request that is well formed.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) url: Url,
    pub(super) config: StoredConfig,
    pub(super) identities: StoredIdentities,
    pub(super) spec: Option<Vec<u8>>,
}

/// Validates everything and names all that is wrong. `default_seed` is used when the client gave none.
pub(super) fn validate(kind: ScanKind, input: StartScan, default_seed: u64) -> Result<Accepted> {
    let mut faults = Validation::default();
    let url = match input.url.as_deref().map(str::trim) {
        None | Some("") => {
            faults.missing("url");
            None
        }
        Some(text) => http_url(&mut faults, "url", text),
    };
    let spec_url = input.spec_url.as_deref().and_then(|text| http_url(&mut faults, "spec_url", text));
    let spec = input.spec_content.as_deref().and_then(|text| spec_content(&mut faults, text));
    if input.spec_url.is_some() && input.spec_content.is_some() {
        faults.invalid("spec_content", "must not be given together with 'spec_url'");
    }
    let identities = StoredIdentities {
        first: credentials(&mut faults, "auth", input.auth),
        second: input.second_auth.map(|auth| credentials(&mut faults, "second_auth", Some(auth))),
        sign_up_key: None,
    };
    let mut config = options(&mut faults, kind, input.options, default_seed);
    config.spec_url = spec_url;
    faults.finish()?;
    // A missing URL was a fault.
    let url = url.ok_or_else(|| Error::missing_fields(&["url"]))?;
    Ok(Accepted { url, config, identities, spec })
}

/// 422 `TARGET_NOT_ALLOWED` when the target, the document or a token endpoint is refused by the policy as it stands,
/// without a look at the network; names that resolve to a refused address end the scan later.
pub(super) fn check_policy(policy: &TargetPolicy, accepted: &Accepted) -> Result<()> {
    let identities =
        [Some(("auth", &accepted.identities.first)), accepted.identities.second.as_ref().map(|s| ("second_auth", s))];
    let tokens = identities.into_iter().flatten().filter_map(|(field, credentials)| match credentials {
        StoredCredentials::OAuth2 { token_url, .. } => Some((format!("{field}.oauth2_token_url"), token_url)),
        _ => None,
    });
    let urls = [("url".to_owned(), &accepted.url)]
        .into_iter()
        .chain(accepted.config.spec_url.iter().map(|url| ("spec_url".to_owned(), url)))
        .chain(tokens);
    for (field, url) in urls {
        match policy.check_url(url) {
            // Names are resolved when the scan runs.
            Ok(()) | Err(PolicyError::Unresolvable(_)) => {}
            Err(PolicyError::NotAllowed { host, reason }) => {
                let message = format!("The target '{host}' is not allowed: {reason}.");
                return Err(Error::new(ErrorCode::TargetNotAllowed, message).with("reason", reason));
            }
            Err(PolicyError::InvalidUrl(_)) => {
                let mut faults = Validation::default();
                faults.invalid(&field, MUST_BE_URL);
                return faults.finish();
            }
        }
    }
    Ok(())
}

const MUST_BE_URL: &str = "must be an absolute http or https URL without credentials";

fn http_url(faults: &mut Validation, field: &str, text: &str) -> Option<Url> {
    let url = (text.len() <= MAX_URL).then(|| Url::parse(text).ok()).flatten().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
    });
    if url.is_none() {
        faults.invalid(field, MUST_BE_URL);
    }
    url
}

fn spec_content(faults: &mut Validation, text: &str) -> Option<Vec<u8>> {
    // Four characters hold three bytes: what is too large is refused before it is decoded.
    if text.len() / 4 * 3 > MAX_SPEC + 3 {
        faults.invalid("spec_content", "must not hold more than 10 MiB");
        return None;
    }
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    match STANDARD.decode(compact) {
        Ok(bytes) if bytes.is_empty() => faults.invalid("spec_content", "must not be empty"),
        Ok(bytes) if bytes.len() > MAX_SPEC => faults.invalid("spec_content", "must not hold more than 10 MiB"),
        Ok(bytes) => return Some(bytes),
        Err(_) => faults.invalid("spec_content", "must be base64"),
    }
    None
}

/// The members of one identity, each taken at most once; what is left over does not belong there.
struct Members<'a> {
    faults: &'a mut Validation,
    prefix: &'a str,
    left: BTreeMap<String, String>,
}

impl Members<'_> {
    fn optional(&mut self, name: &str) -> Option<String> {
        let value = self.left.remove(name)?;
        if value.is_empty() || value.len() > MAX_SECRET {
            let field = format!("{}.{name}", self.prefix);
            self.faults.invalid(&field, &format!("must have 1 to {MAX_SECRET} characters"));
        } else if value.chars().any(|c| c.is_control()) {
            self.faults.invalid(&format!("{}.{name}", self.prefix), "must not hold control characters");
        }
        Some(value)
    }

    /// An absent member is noted, and replaced so that the rest is judged too.
    fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.faults.missing(&format!("{}.{name}", self.prefix));
            String::new()
        })
    }

    fn finish(self, kind: &str) {
        for name in self.left.keys() {
            self.faults.invalid(&format!("{}.{name}", self.prefix), &format!("does not belong to type '{kind}'"));
        }
    }
}

fn credentials(faults: &mut Validation, prefix: &str, input: Option<AuthInput>) -> StoredCredentials {
    let Some(input) = input else { return StoredCredentials::None };
    let Some(kind) = input.kind else {
        faults.missing(&format!("{prefix}.type"));
        return StoredCredentials::None;
    };
    let mut members = Members { faults, prefix, left: input.fields };
    let credentials = match kind.as_str() {
        "none" => StoredCredentials::None,
        "bearer" => StoredCredentials::Bearer { token: members.required("token") },
        "basic" => {
            StoredCredentials::Basic { username: members.required("username"), password: members.required("password") }
        }
        "header" => {
            let name = members.required("header_name");
            if !name.is_empty() && !may_be_set(&name) {
                members.faults.invalid(&format!("{prefix}.header_name"), "must be a header that a client may set");
            }
            StoredCredentials::Header { name, value: members.required("header_value") }
        }
        "oauth2" => {
            let token_url = members.required("oauth2_token_url");
            let token_url = if token_url.is_empty() {
                None
            } else {
                http_url(members.faults, &format!("{prefix}.oauth2_token_url"), &token_url)
            };
            let client_id = members.required("oauth2_client_id");
            let client_secret = members.optional("oauth2_client_secret");
            let scope = members.optional("oauth2_scope");
            let username = members.optional("username");
            let password = if username.is_some() { Some(members.required("password")) } else { None };
            match token_url {
                Some(token_url) => {
                    StoredCredentials::OAuth2 { token_url, client_id, client_secret, username, password, scope }
                }
                None => StoredCredentials::None,
            }
        }
        _ => {
            members
                .faults
                .invalid(&format!("{prefix}.type"), "must be one of 'none', 'bearer', 'header', 'basic', 'oauth2'");
            return StoredCredentials::None;
        }
    };
    members.finish(&kind);
    credentials
}

/// A header name, and none of those that the transport writes itself.
fn may_be_set(name: &str) -> bool {
    const TRANSPORT: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "user-agent", "upgrade"];
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        && !TRANSPORT.contains(&name.to_ascii_lowercase().as_str())
}

fn options(faults: &mut Validation, kind: ScanKind, input: OptionsInput, default_seed: u64) -> StoredConfig {
    // A security scan repeats and compares, so it needs more time.
    let default_seconds = match kind {
        ScanKind::Functional => 600,
        ScanKind::Security => 1200,
    };
    let mut within = |name: &str, value: Option<i64>, range: RangeInclusive<i64>, default: i64| -> u64 {
        let value = value.unwrap_or(default);
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            faults.invalid(&format!("options.{name}"), &format!("must be between {least} and {most}"));
        }
        u64::try_from(value).unwrap_or(0)
    };
    let concurrency = within("concurrency", input.concurrency, 1..=64, 5);
    let timeout_s = within("timeout", input.timeout, 1..=300, 30);
    let max_requests = within("max_requests", input.max_requests, 1..=MAX_REQUESTS, 20_000);
    let max_seconds = within("max_seconds", input.max_seconds, 1..=1800, default_seconds);
    let known = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    if input.fail_on.as_ref().is_some_and(|name| !known.iter().any(|severity| severity.as_str() == name)) {
        faults.invalid("options.fail_on", "must be one of 'critical', 'high', 'medium', 'low'");
    }
    let profile = match input.profile.as_deref() {
        None | Some("quiet") => Profile::Quiet,
        Some("thorough") => Profile::Thorough,
        Some(_) => {
            faults.invalid("options.profile", "must be one of 'quiet', 'thorough'");
            Profile::Quiet
        }
    };
    if input.exclude.len() > MAX_EXCLUDE {
        faults.invalid("options.exclude", &format!("must not have more than {MAX_EXCLUDE} patterns"));
    }
    for (index, pattern) in input.exclude.iter().enumerate().take(MAX_EXCLUDE) {
        let fits = pattern.len() <= MAX_PATTERN && pattern.starts_with(['/', '*']);
        if !fits || pattern.chars().any(char::is_control) {
            let what = format!("must be a path pattern such as '/admin/*' of at most {MAX_PATTERN} characters");
            faults.invalid(&format!("options.exclude[{index}]"), &what);
        }
    }
    StoredConfig {
        spec_url: None,
        concurrency: usize::try_from(concurrency).unwrap_or(1),
        timeout_s,
        max_requests,
        max_seconds,
        fail_on: input.fail_on,
        exclude: input.exclude,
        seed: input.seed.unwrap_or(default_seed),
        safe_mode: input.safe_mode.unwrap_or(false),
        profile,
        clean_up: input.clean_up.unwrap_or(true),
        sign_up: input.sign_up.unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> StartScan {
        StartScan { url: Some("http://example.org/v1".to_owned()), ..StartScan::default() }
    }

    fn auth(kind: &str, fields: &[(&str, &str)]) -> Option<AuthInput> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Some(AuthInput { kind: Some(kind.to_owned()), fields })
    }

    fn with_options(options: OptionsInput) -> StartScan {
        StartScan { options, ..start() }
    }

    #[test]
    fn fault_is_named() {
        let check = |input: StartScan, message: &str| {
            let error = validate(ScanKind::Functional, input, 1).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::ValidationError, message));
        };
        let url = "Field 'url' must be an absolute http or https URL without credentials.";
        check(StartScan::default(), "Field 'url' is required.");
        check(StartScan { url: Some(" ".into()), ..start() }, "Field 'url' is required.");
        for text in
            ["/v1", "ftp://x", "http://", "http://u:p@x", "javascript:1", &format!("http://x/{}", "y".repeat(3000))]
        {
            check(StartScan { url: Some(text.to_owned()), ..start() }, url);
        }
        let both = StartScan { spec_url: Some("http://x/s".into()), spec_content: Some("e30=".into()), ..start() };
        check(both, "Field 'spec_content' must not be given together with 'spec_url'.");
        check(StartScan { spec_content: Some("?".into()), ..start() }, "Field 'spec_content' must be base64.");
        let large = "A".repeat((MAX_SPEC / 3 + 2) * 4);
        check(
            StartScan { spec_content: Some(large), ..start() },
            "Field 'spec_content' must not hold more than 10 MiB.",
        );
        let zero = OptionsInput { concurrency: Some(0), ..OptionsInput::default() };
        check(with_options(zero), "Field 'options.concurrency' must be between 1 and 64.");
        let long = OptionsInput { max_seconds: Some(1801), ..OptionsInput::default() };
        check(with_options(long), "Field 'options.max_seconds' must be between 1 and 1800.");
        let fail_on = OptionsInput { fail_on: Some("info".into()), ..OptionsInput::default() };
        check(with_options(fail_on), "Field 'options.fail_on' must be one of 'critical', 'high', 'medium', 'low'.");
        let profile = OptionsInput { profile: Some("loud".into()), ..OptionsInput::default() };
        check(with_options(profile), "Field 'options.profile' must be one of 'quiet', 'thorough'.");
        let nameless = AuthInput::default();
        check(StartScan { auth: Some(nameless), ..start() }, "Field 'auth.type' is required.");
        check(StartScan { second_auth: auth("bearer", &[]), ..start() }, "Field 'second_auth.token' is required.");
        let host = auth("header", &[("header_name", "Host"), ("header_value", "x")]);
        check(StartScan { auth: host, ..start() }, "Field 'auth.header_name' must be a header that a client may set.");
        let lines = auth("bearer", &[("token", "a\r\nb")]);
        check(StartScan { auth: lines, ..start() }, "Field 'auth.token' must not hold control characters.");
        let foreign = auth("bearer", &[("token", "a"), ("username", "b")]);
        check(StartScan { auth: foreign, ..start() }, "Field 'auth.username' does not belong to type 'bearer'.");
    }

    #[test]
    fn nested_fault_lists_the_field() {
        let options = OptionsInput { exclude: vec!["/ok/*".into(), "admin".into()], ..OptionsInput::default() };
        let error = validate(ScanKind::Functional, with_options(options), 1).unwrap_err();
        assert_eq!(error.body()["fields"][0]["field"], "options.exclude[1]");
    }

    #[test]
    fn defaults_depend_on_the_kind_alone() {
        let check = |kind, seconds| {
            let config = validate(kind, start(), 42).unwrap().config;
            assert_eq!((config.concurrency, config.timeout_s, config.max_requests), (5, 30, 20_000));
            assert_eq!((config.max_seconds, config.seed, config.safe_mode), (seconds, 42, false));
            assert_eq!((config.profile, config.clean_up, config.sign_up), (Profile::Quiet, true, false));
        };
        check(ScanKind::Functional, 600);
        check(ScanKind::Security, 1200);
    }

    #[test]
    fn oauth2_takes_both_grants() {
        let client = [("oauth2_token_url", "http://id/token"), ("oauth2_client_id", "c")];
        let accepted =
            validate(ScanKind::Functional, StartScan { auth: auth("oauth2", &client), ..start() }, 1).unwrap();
        assert!(matches!(accepted.identities.first, StoredCredentials::OAuth2 { username: None, .. }));
        let mut fields = client.to_vec();
        fields.push(("username", "u"));
        let error =
            validate(ScanKind::Functional, StartScan { auth: auth("oauth2", &fields), ..start() }, 1).unwrap_err();
        assert_eq!(error.message, "Field 'auth.password' is required.");
    }
}
