//! Starting and cancelling scans.

use std::collections::BTreeMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use nat_scan::engine::ScanKind;
use nat_scan::service::{AuthInput, OptionsInput, Scan, StartScan};

use super::{answered, payloads};
use crate::cost::POINT;
use crate::error::{Fallible, UserError};
use crate::object::ScanObject;
use crate::relay::scan_id;
use crate::scalar::Unsigned;
use crate::viewer::Viewer;

#[derive(Default)]
pub(crate) struct ScanMutations;

#[Object]
impl ScanMutations {
    /// Accepts a functional scan: does the API keep its contract? Scope `scans:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn start_scan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to scan, and how.")] input: StartScanInput,
    ) -> Fallible<StartScanPayload> {
        let viewer = Viewer::of(context);
        answered(viewer.services.scans.start(viewer.actor, ScanKind::Functional, input.into()).await)
    }

    /// Accepts a security scan: can the API be abused? Plan Pro or above; scope `scans:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn start_security_scan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to scan, and how.")] input: StartScanInput,
    ) -> Fallible<StartScanPayload> {
        let viewer = Viewer::of(context);
        answered(viewer.services.scans.start(viewer.actor, ScanKind::Security, input.into()).await)
    }

    /// Stops a scan. Scope `scans:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn cancel_scan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: CancelScanInput,
    ) -> Fallible<CancelScanPayload> {
        let viewer = Viewer::of(context);
        answered(viewer.services.scans.cancel(viewer.actor, &scan_id(&input.id)).await)
    }
}

/// A scan to start.
#[derive(InputObject)]
pub(crate) struct StartScanInput {
    /// The target: an absolute http or https URL. Required.
    url: Option<String>,
    /// Where its OpenAPI document is, as JSON or YAML. Absent: it is looked for.
    spec_url: Option<String>,
    /// The document itself, in base64; not together with `specUrl`.
    spec_content: Option<String>,
    /// How to authenticate.
    auth: Option<ScanAuthInput>,
    /// A second identity, for checks of authorization.
    second_auth: Option<ScanAuthInput>,
    /// How to scan.
    options: Option<ScanOptionsInput>,
}

impl From<StartScanInput> for StartScan {
    fn from(input: StartScanInput) -> Self {
        Self {
            url: input.url,
            spec_url: input.spec_url,
            spec_content: input.spec_content,
            auth: input.auth.map(Into::into),
            second_auth: input.second_auth.map(Into::into),
            options: input.options.map(Into::into).unwrap_or_default(),
        }
    }
}

/// Credentials for the target. They are stored sealed, never shown again, and never reach a report or a log.
#[derive(InputObject)]
#[graphql(name = "AuthInput")]
pub(crate) struct ScanAuthInput {
    /// `none`, `bearer`, `header`, `basic` or `oauth2`.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// Of `bearer`.
    token: Option<String>,
    /// Of `header`.
    header_name: Option<String>,
    /// Of `header`.
    header_value: Option<String>,
    /// Of `basic`, and of `oauth2` with a password grant.
    username: Option<String>,
    /// Of `basic`, and of `oauth2` with a password grant.
    password: Option<String>,
    /// Of `oauth2`.
    #[graphql(name = "oauth2TokenUrl")]
    oauth2_token_url: Option<String>,
    /// Of `oauth2`.
    #[graphql(name = "oauth2ClientId")]
    oauth2_client_id: Option<String>,
    /// Of `oauth2`.
    #[graphql(name = "oauth2ClientSecret")]
    oauth2_client_secret: Option<String>,
    /// Of `oauth2`.
    #[graphql(name = "oauth2Scope")]
    oauth2_scope: Option<String>,
}

impl From<ScanAuthInput> for AuthInput {
    fn from(input: ScanAuthInput) -> Self {
        let fields = [
            ("token", input.token),
            ("header_name", input.header_name),
            ("header_value", input.header_value),
            ("username", input.username),
            ("password", input.password),
            ("oauth2_token_url", input.oauth2_token_url),
            ("oauth2_client_id", input.oauth2_client_id),
            ("oauth2_client_secret", input.oauth2_client_secret),
            ("oauth2_scope", input.oauth2_scope),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self { kind: input.kind, fields: BTreeMap::from_iter(given) }
    }
}

/// How to scan. What is absent has its default.
#[derive(InputObject)]
pub(crate) struct ScanOptionsInput {
    /// Requests at once, 1 to 64; 5.
    concurrency: Option<i64>,
    /// Seconds for one request, 1 to 300; 30.
    timeout: Option<i64>,
    /// Requests in all.
    max_requests: Option<i64>,
    /// Seconds in all, at most 1,800.
    max_seconds: Option<i64>,
    /// `critical`, `high`, `medium` or `low`.
    fail_on: Option<String>,
    /// Patterns of paths that are left out.
    exclude: Option<Vec<String>>,
    /// The same seed and document give the same requests.
    seed: Option<Unsigned>,
    /// Only methods that change nothing.
    safe_mode: Option<bool>,
    /// Of a security scan: `quiet` (unless given) or `thorough`, which also runs checks that put load on the target or
    /// leave things behind, and reports what is likely but not proved.
    profile: Option<String>,
    /// Remove what the scan made at its end; true unless given.
    clean_up: Option<bool>,
    /// Sign up users of the scan's own; false unless given.
    sign_up: Option<bool>,
}

impl From<ScanOptionsInput> for OptionsInput {
    fn from(input: ScanOptionsInput) -> Self {
        Self {
            concurrency: input.concurrency,
            timeout: input.timeout,
            max_requests: input.max_requests,
            max_seconds: input.max_seconds,
            fail_on: input.fail_on,
            exclude: input.exclude.unwrap_or_default(),
            seed: input.seed.map(|Unsigned(seed)| seed),
            safe_mode: input.safe_mode,
            profile: input.profile,
            clean_up: input.clean_up,
            sign_up: input.sign_up,
        }
    }
}

/// A scan to stop.
#[derive(InputObject)]
pub(crate) struct CancelScanInput {
    /// The global id, or the id that REST shows.
    id: ID,
}

/// A scan that was started, or why not.
#[derive(Default, SimpleObject)]
pub(crate) struct StartScanPayload {
    /// The scan.
    scan: Option<ScanObject>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

/// A scan that was stopped, or why not.
#[derive(Default, SimpleObject)]
pub(crate) struct CancelScanPayload {
    /// The scan.
    scan: Option<ScanObject>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

impl From<Scan> for StartScanPayload {
    fn from(scan: Scan) -> Self {
        Self { scan: Some(scan.into()), user_errors: Vec::new() }
    }
}

impl From<Scan> for CancelScanPayload {
    fn from(scan: Scan) -> Self {
        Self { scan: Some(scan.into()), user_errors: Vec::new() }
    }
}

payloads!(StartScanPayload, CancelScanPayload);
