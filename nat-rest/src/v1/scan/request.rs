//! The request of `POST /scan` and `POST /security-scan`.

use std::collections::BTreeMap;

use nat_scan::service::{AuthInput, OptionsInput, StartScan};
use utoipa::ToSchema;

use crate::Config;
use crate::extract::{Fields, FromObject};

/// What to scan, as whom, and within which limits.
#[derive(ToSchema)]
pub(crate) struct StartScanBody {
    /// Base URL of the API: absolute, http or https.
    #[schema(value_type = String, format = "uri", example = "https://api.example.com")]
    url: Option<String>,
    /// URL of a JSON or YAML OpenAPI document (2.0, 3.0, 3.1). Without one the usual places are looked at.
    #[schema(format = "uri", example = "https://api.example.com/openapi.json")]
    spec_url: Option<String>,
    /// The document itself, base64. Not together with `spec_url`.
    #[schema(format = Byte)]
    spec_content: Option<String>,
    /// Who the scan is to the target. Stored sealed, never shown again.
    auth: Option<AuthBody>,
    /// A second user, for authorization checks.
    second_auth: Option<AuthBody>,
    /// Limits and choices.
    options: Option<OptionsBody>,
}

impl FromObject for StartScanBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            url: fields.string("url"),
            spec_url: fields.string("spec_url"),
            spec_content: fields.string("spec_content"),
            auth: fields.object("auth"),
            second_auth: fields.object("second_auth"),
            options: fields.object("options"),
        }
    }

    /// It may hold a whole document.
    fn limit(config: &Config) -> usize {
        config.scan_body_limit
    }
}

impl From<StartScanBody> for StartScan {
    fn from(body: StartScanBody) -> Self {
        Self {
            url: body.url,
            spec_url: body.spec_url,
            spec_content: body.spec_content,
            auth: body.auth.map(AuthInput::from),
            second_auth: body.second_auth.map(AuthInput::from),
            options: body.options.map(OptionsInput::from).unwrap_or_default(),
        }
    }
}

/// Credentials for the target. Which members are needed depends on `type`.
#[derive(ToSchema)]
pub(crate) struct AuthBody {
    /// `none`, `bearer`, `header`, `basic` or `oauth2`.
    #[schema(rename = "type", example = "bearer")]
    kind: Option<String>,
    /// For `bearer`.
    token: Option<String>,
    /// For `header`.
    header_name: Option<String>,
    /// For `header`.
    header_value: Option<String>,
    /// For `basic`, and for the password grant of `oauth2`.
    username: Option<String>,
    /// For `basic`, and for the password grant of `oauth2`.
    password: Option<String>,
    /// For `oauth2`.
    #[schema(format = "uri")]
    oauth2_token_url: Option<String>,
    /// For `oauth2`.
    oauth2_client_id: Option<String>,
    /// For `oauth2`.
    oauth2_client_secret: Option<String>,
    /// For `oauth2`.
    oauth2_scope: Option<String>,
}

impl FromObject for AuthBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            kind: fields.string("type"),
            token: fields.string("token"),
            header_name: fields.string("header_name"),
            header_value: fields.string("header_value"),
            username: fields.string("username"),
            password: fields.string("password"),
            oauth2_token_url: fields.string("oauth2_token_url"),
            oauth2_client_id: fields.string("oauth2_client_id"),
            oauth2_client_secret: fields.string("oauth2_client_secret"),
            oauth2_scope: fields.string("oauth2_scope"),
        }
    }
}

impl From<AuthBody> for AuthInput {
    fn from(body: AuthBody) -> Self {
        let members = [
            ("token", body.token),
            ("header_name", body.header_name),
            ("header_value", body.header_value),
            ("username", body.username),
            ("password", body.password),
            ("oauth2_token_url", body.oauth2_token_url),
            ("oauth2_client_id", body.oauth2_client_id),
            ("oauth2_client_secret", body.oauth2_client_secret),
            ("oauth2_scope", body.oauth2_scope),
        ];
        let fields: BTreeMap<String, String> =
            members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Self { kind: body.kind, fields }
    }
}

/// Limits and choices of a scan.
#[derive(Debug, ToSchema)]
pub(crate) struct OptionsBody {
    /// Requests at once; 5 unless given.
    #[schema(minimum = 1, maximum = 64)]
    concurrency: Option<i64>,
    /// Seconds that one request may take; 30 unless given.
    #[schema(minimum = 1, maximum = 300)]
    timeout: Option<i64>,
    /// Requests in all.
    #[schema(minimum = 1)]
    max_requests: Option<i64>,
    /// Seconds in all.
    #[schema(minimum = 1, maximum = 1800)]
    max_seconds: Option<i64>,
    /// `critical`, `high`, `medium` or `low`: from there on a finding fails the scan in reports.
    #[schema(example = "high")]
    fail_on: Option<String>,
    /// Path patterns that are left out.
    exclude: Option<Vec<String>>,
    /// The same seed and document give the same requests.
    seed: Option<u64>,
    /// Only methods that change nothing.
    safe_mode: Option<bool>,
    /// Of a security scan: `quiet` (unless given) or `thorough`, which also runs checks that put load on the target or
    /// leave things behind, and reports what is likely but not proved.
    #[schema(example = "quiet")]
    profile: Option<String>,
    /// Remove what the scan made at its end; true unless given.
    clean_up: Option<bool>,
    /// Sign up users of the scan's own; false unless given.
    sign_up: Option<bool>,
}

impl FromObject for OptionsBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            concurrency: fields.integer("concurrency"),
            timeout: fields.integer("timeout"),
            max_requests: fields.integer("max_requests"),
            max_seconds: fields.integer("max_seconds"),
            fail_on: fields.string("fail_on"),
            exclude: fields.strings("exclude"),
            seed: fields.unsigned("seed"),
            safe_mode: fields.boolean("safe_mode"),
            profile: fields.string("profile"),
            clean_up: fields.boolean("clean_up"),
            sign_up: fields.boolean("sign_up"),
        }
    }
}

impl From<OptionsBody> for OptionsInput {
    fn from(body: OptionsBody) -> Self {
        Self {
            concurrency: body.concurrency,
            timeout: body.timeout,
            max_requests: body.max_requests,
            max_seconds: body.max_seconds,
            fail_on: body.fail_on,
            exclude: body.exclude.unwrap_or_default(),
            seed: body.seed,
            safe_mode: body.safe_mode,
            profile: body.profile,
            clean_up: body.clean_up,
            sign_up: body.sign_up,
        }
    }
}
