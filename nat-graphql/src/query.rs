//! Queries. Each field is null when it fails, so that its neighbours stay.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use nat_core::Error;
use nat_scan::service::FindingFilter;

use crate::cost::{POINT, Till, each, list};
use crate::error::{Fallible, WireError, found, shown};
use crate::object::{
    ApiKeyObject, BillingObject, FindingFilterInput, FindingTotals, Node, OrderDirection, PlanObject, ReportFormat,
    ReportObject, ScanFilterInput, ScanObject, ScanOrderInput, ScanTotals, TenantObject, UsageObject, ViewerObject,
};
use crate::relay::{FindingConnection, GlobalId, ScanConnection, scan_id, window};
use crate::viewer::Viewer;

/// Ids that `nodes` takes.
const MAX_NODES: usize = 100;

#[derive(Debug)]
pub(crate) struct Query;

/// The root of all queries.
#[Object]
impl Query {
    /// Who shows the key.
    async fn viewer(&self) -> ViewerObject {
        ViewerObject
    }

    /// The tenant that the key belongs to. Scope `usage:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn tenant(&self, context: &Context<'_>) -> Fallible<TenantObject> {
        let viewer = Viewer::of(context);
        shown(viewer.services.usage.profile(viewer.actor).await)
    }

    /// The usage of the running period. Scope `usage:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn usage(&self, context: &Context<'_>) -> Fallible<UsageObject> {
        let viewer = Viewer::of(context);
        shown(viewer.services.usage.summary(viewer.actor).await)
    }

    /// The API keys of the tenant, oldest first, dead ones included. Scope `keys:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn api_keys(&self, context: &Context<'_>) -> Fallible<Vec<ApiKeyObject>> {
        let viewer = Viewer::of(context);
        let keys = viewer.services.keys.list(viewer.actor).await;
        Some(keys.map(|keys| keys.into_iter().map(Into::into).collect()).map_err(WireError::from))
    }

    /// The plans of the catalogue, cheapest first.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn plans(&self, context: &Context<'_>) -> Vec<PlanObject> {
        Viewer::of(context).services.plans.plans().iter().map(Into::into).collect()
    }

    /// The scans of the tenant. Scope `scans:read`.
    #[graphql(complexity = "list(first, child_complexity)")]
    async fn scans(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "1 to 100.")] first: i32,
        #[graphql(desc = "The cursor of the last edge that was seen.")] after: Option<String>,
        #[graphql(desc = "Which scans.")] filter: Option<ScanFilterInput>,
        #[graphql(desc = "The newest first unless told otherwise.")] order_by: Option<ScanOrderInput>,
    ) -> Fallible<ScanConnection> {
        let viewer = Viewer::of(context);
        let selection = filter.unwrap_or_default().into();
        let oldest_first = order_by.is_some_and(|order| order.direction == OrderDirection::Asc);
        let read = async {
            let request = window(first, after)?;
            let window = viewer.services.scans.window(viewer.actor, &selection, oldest_first, &request).await?;
            Ok::<_, Error>(window)
        };
        let window = read.await;
        Some(window.map(|window| ScanConnection::new(window, ScanTotals(selection))).map_err(WireError::from))
    }

    /// One scan; null when the tenant has none of that id. Scope `scans:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn scan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The global id, or the id that REST shows.")] id: ID,
    ) -> Fallible<ScanObject> {
        let viewer = Viewer::of(context);
        found(viewer.services.scans.find_many(viewer.actor, &[scan_id(&id)]).await.map(|mut scans| scans.pop()))
    }

    /// A report of a scan that has ended, as a file. Scope `scans:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn scan_report(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The global id of the scan, or the id that REST shows.")] id: ID,
        #[graphql(desc = "The form of the report.", default_with = "ReportFormat::Json")] format: ReportFormat,
    ) -> Fallible<ReportObject> {
        let viewer = Viewer::of(context);
        let format = nat_scan::report::Format::from(format).as_str();
        shown(viewer.services.scans.export(viewer.actor, &scan_id(&id), Some(format)).await)
    }

    /// What is known now: the findings of the last completed scan of each target and kind, newest scans first. Scope
    /// `scans:read`.
    #[graphql(complexity = "list(first, child_complexity)")]
    async fn findings(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "1 to 100.")] first: i32,
        #[graphql(desc = "The cursor of the last edge that was seen.")] after: Option<String>,
        #[graphql(desc = "Which findings.")] filter: Option<FindingFilterInput>,
    ) -> Fallible<FindingConnection> {
        let viewer = Viewer::of(context);
        let filter = FindingFilter::from(filter.unwrap_or_default());
        let read = async {
            let request = window(first, after)?;
            viewer.services.scans.findings(viewer.actor, &filter, &request).await
        };
        let window = read.await;
        Some(
            window
                .map(|window| FindingConnection::new(window, FindingTotals::of_tenant(filter)))
                .map_err(WireError::from),
        )
    }

    /// How billing stands. With the id of a checkout session, which Stripe puts into `successUrl` for
    /// `{CHECKOUT_SESSION_ID}`, Stripe is asked first. Scope `usage:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn billing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session that the customer comes back from.")] session_id: Option<String>,
    ) -> Fallible<BillingObject> {
        let viewer = Viewer::of(context);
        let status = viewer.services.billing.status(viewer.actor, session_id.as_deref()).await;
        Some(status.map(|status| BillingObject::new(status, &viewer.services.plans)).map_err(WireError::from))
    }

    /// The object of that global id; null when the tenant has none.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn node(&self, context: &Context<'_>, #[graphql(desc = "A global id.")] id: ID) -> Fallible<Node> {
        found_node(context, &id).await.transpose()
    }

    /// The objects of these global ids, in their order; null for those that the tenant does not have.
    #[graphql(complexity = "each(ids.len(), child_complexity)")]
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most 100 global ids.")] ids: Vec<ID>,
    ) -> Fallible<Vec<Option<Node>>> {
        if ids.len() > MAX_NODES {
            let mut faults = nat_core::error::Validation::default();
            faults.invalid("ids", &format!("must not hold more than {MAX_NODES} ids"));
            return faults.finish().err().map(|error| Err(error.into()));
        }
        // Asked for at the same time, so that the loaders read them together.
        Some(futures::future::try_join_all(ids.iter().map(|id| found_node(context, id))).await)
    }

    /// What this document costs and what is left of the tenant's bucket. A point is what one call of the REST API costs.
    async fn rate_limit(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only tell the price: nothing else is run or charged beyond one point.", default = false)]
        dry_run: bool,
    ) -> RateLimitObject {
        // Whoever runs the document has seen it already.
        let _ = dry_run;
        let charged = context.data_unchecked::<Arc<Till>>().charged();
        RateLimitObject {
            cost: charged.cost,
            limit: charged.rate.limit,
            remaining: charged.rate.limit.map(|_| charged.rate.remaining),
            reset_after_seconds: charged.rate.reset_after_s,
        }
    }
}

/// The price of a document, and the bucket that pays it.
#[derive(Debug, SimpleObject)]
#[graphql(name = "RateLimit")]
struct RateLimitObject {
    /// Points that were charged; with `dryRun`, that would be.
    cost: u32,
    /// Points a minute; null: unlimited.
    limit: Option<u32>,
    /// Points that could be spent right now; null: unlimited.
    remaining: Option<u32>,
    /// Seconds until the bucket is full.
    reset_after_seconds: u32,
}

async fn found_node(context: &Context<'_>, id: &ID) -> Result<Option<Node>, WireError> {
    let viewer = Viewer::of(context);
    let services = viewer.services;
    Ok(match GlobalId::decode(id) {
        Some(GlobalId::Tenant(tenant_id)) if tenant_id == viewer.actor.tenant_id => {
            Some(Node::Tenant(services.usage.profile(viewer.actor).await?.into()))
        }
        Some(GlobalId::Plan(id)) => services.plans.find(&id).map(|plan| Node::Plan(plan.into())),
        Some(GlobalId::ApiKey(id)) => {
            let keys = services.keys.list(viewer.actor).await?;
            keys.into_iter().find(|key| key.id == id).map(|key| Node::ApiKey(key.into()))
        }
        Some(GlobalId::Scan(id)) => viewer.loaders.load_one(id).await?.map(|scan| Node::Scan(scan.into())),
        Some(GlobalId::Finding(id)) => {
            let findings = services.scans.find_findings(viewer.actor, &[id]).await?;
            findings.into_iter().next().map(|finding| Node::Finding(finding.into()))
        }
        Some(GlobalId::Tenant(_)) | None => None,
    })
}
