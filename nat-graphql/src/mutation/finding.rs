//! Deciding about findings.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use nat_core::Error;
use nat_scan::service::{ScanFinding, SetFindingStatus};

use super::{answered, payloads};
use crate::cost::POINT;
use crate::error::{Fallible, UserError};
use crate::object::{FindingObject, TriageStatusEnum};
use crate::relay::GlobalId;
use crate::scalar::Instant;
use crate::viewer::Viewer;

#[derive(Default)]
pub(crate) struct FindingMutations;

#[Object]
impl FindingMutations {
    /// Decides about a finding of a target, for this scan and later ones. Scope `scans:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn set_finding_status(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which, and what.")] input: SetFindingStatusInput,
    ) -> Fallible<SetFindingStatusPayload> {
        let viewer = Viewer::of(context);
        let Some(GlobalId::Finding(id)) = GlobalId::decode(&input.id) else {
            return answered(Err::<ScanFinding, _>(Error::not_found()));
        };
        let input = SetFindingStatus {
            id,
            status: input.status.map(Into::into),
            reason: input.reason,
            expires_at: input.expires_at.map(|Instant(at)| at),
        };
        answered(viewer.services.scans.set_finding_status(viewer.actor, input).await)
    }
}

/// A decision about a finding.
#[derive(InputObject)]
pub(crate) struct SetFindingStatusInput {
    /// The global id of the finding.
    id: ID,
    /// What is decided; null takes a decision back.
    status: Option<TriageStatusEnum>,
    /// Why; required with a status, at most 1,000 characters.
    reason: Option<String>,
    /// From this instant on the decision does not hold any more; absent: for good.
    expires_at: Option<Instant>,
}

/// The finding with its decision, or why there is none.
#[derive(Default, SimpleObject)]
pub(crate) struct SetFindingStatusPayload {
    /// The finding.
    finding: Option<FindingObject>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

impl From<ScanFinding> for SetFindingStatusPayload {
    fn from(finding: ScanFinding) -> Self {
        Self { finding: Some(finding.into()), user_errors: Vec::new() }
    }
}

payloads!(SetFindingStatusPayload);
