//! Links to the pages on which a customer pays and manages.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use nat_billing::service::{Checkout, StartCheckout};

use super::{answered, payloads};
use crate::cost::POINT;
use crate::error::{Fallible, UserError};
use crate::scalar::Instant;
use crate::viewer::Viewer;

#[derive(Default)]
pub(crate) struct BillingMutations;

#[Object]
impl BillingMutations {
    /// Starts a checkout for a plan. Scope `billing:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn create_checkout(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to buy, and where to return to.")] input: CreateCheckoutInput,
    ) -> Fallible<CreateCheckoutPayload> {
        let viewer = Viewer::of(context);
        let input = StartCheckout {
            plan: input.plan,
            price_id: input.price_id,
            success_url: input.success_url,
            cancel_url: input.cancel_url,
        };
        answered(viewer.services.billing.checkout(viewer.actor, input).await)
    }

    /// Opens the customer portal. Scope `billing:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn create_portal_session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Where to return to.")] input: CreatePortalSessionInput,
    ) -> Fallible<CreatePortalSessionPayload> {
        let viewer = Viewer::of(context);
        answered(viewer.services.billing.portal(viewer.actor, input.return_url).await)
    }
}

/// What to buy: a plan or a price, or both when they agree.
#[derive(InputObject)]
pub(crate) struct CreateCheckoutInput {
    /// A plan of the catalogue, for example `pro`.
    plan: Option<String>,
    /// A price, for example `price_pro_monthly`.
    price_id: Option<String>,
    /// Where the customer returns to after paying. Required.
    success_url: Option<String>,
    /// Where the customer returns to without paying. Required.
    cancel_url: Option<String>,
}

/// Where the customer returns to from the portal.
#[derive(InputObject)]
pub(crate) struct CreatePortalSessionInput {
    /// An absolute URL. Required.
    return_url: Option<String>,
}

/// An open checkout, or why there is none.
#[derive(Default, SimpleObject)]
pub(crate) struct CreateCheckoutPayload {
    /// Where the customer pays.
    checkout_url: Option<String>,
    /// Stripe's id of the session.
    session_id: Option<String>,
    /// From then on it cannot be paid.
    expires_at: Option<Instant>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

/// A link into the portal, or why there is none.
#[derive(Default, SimpleObject)]
pub(crate) struct CreatePortalSessionPayload {
    /// Where the customer manages subscriptions.
    portal_url: Option<String>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

impl From<Checkout> for CreateCheckoutPayload {
    fn from(checkout: Checkout) -> Self {
        Self {
            checkout_url: Some(checkout.checkout_url),
            session_id: Some(checkout.session_id),
            expires_at: Some(Instant(checkout.expires_at)),
            user_errors: Vec::new(),
        }
    }
}

impl From<String> for CreatePortalSessionPayload {
    fn from(portal_url: String) -> Self {
        Self { portal_url: Some(portal_url), user_errors: Vec::new() }
    }
}

payloads!(CreateCheckoutPayload, CreatePortalSessionPayload);
