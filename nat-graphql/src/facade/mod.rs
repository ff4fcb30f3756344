//! Executing a document for an actor: guard, price, execution, and the last look at the answer.

mod dry_run;
mod order;

use std::sync::Arc;

use async_graphql::{Request, Response, Schema};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use nat_billing::Billing;
use nat_core::access::ApiKeys;
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::{RateDecision, RateLimiter};
use nat_core::usage::Usage;
use nat_core::{Actor, Error, ErrorCode};
use nat_scan::service::Scans;

pub(crate) use order::Order;

use crate::cost::{Till, Toll};
use crate::error::{finish, server_error};
use crate::guard;
use crate::loader::Loaders;
use crate::mutation::Mutation;
use crate::query::Query;
use crate::settings::{Introspection, Settings};
use crate::subscription::Subscription;
use crate::viewer::Session;

/// Directives of one field.
const MAX_DIRECTIVES: usize = 10;

/// The use cases behind the schema, and what admission needs.
#[derive(Clone)]
pub struct Services {
    /// Authenticates; the use cases of API keys.
    pub keys: ApiKeys,
    /// Points a minute and tenant; shared with the other wires.
    pub limiter: Arc<dyn RateLimiter>,
    /// Usage.
    pub usage: Usage,
    /// Stored scans.
    pub scans: Scans,
    /// Checkout, portal, status.
    pub billing: Billing,
    /// All plans.
    pub plans: Arc<PlanCatalogue>,
}

type NatSchema = Schema<Query, Mutation, Subscription>;

/// The executable schema over the services. Clones share it.
#[derive(Clone)]
pub struct Facade {
    inner: Arc<Inner>,
}

struct Inner {
    schema: NatSchema,
    services: Services,
    settings: Settings,
}

/// An answer, and what it cost.
#[derive(Debug)]
pub struct Executed {
    /// The answer.
    pub response: Response,
    /// Points that were charged.
    pub cost: u32,
    /// The tenant's bucket after it.
    pub rate: RateDecision,
}

/// The schema in the schema definition language; `schema.graphql` in git is this text.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl()
}

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription).extension(Toll)
}

impl Facade {
    /// Over these services.
    #[must_use]
    pub fn new(services: Services, settings: Settings) -> Self {
        let mut builder = builder().limit_depth(settings.max_depth).limit_directives(MAX_DIRECTIVES);
        if settings.introspection != Introspection::Everybody {
            // "Did you mean" would give away name by name what introspection does not.
            builder = builder.disable_suggestions();
        }
        let schema = builder.data(services.clone()).data(settings.clone()).finish();
        Self { inner: Arc::new(Inner { schema, services, settings }) }
    }

    pub(crate) fn services(&self) -> &Services {
        &self.inner.services
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Executes a query or mutation for an actor and charges the tenant's bucket what it costs.
    ///
    /// A document that is refused (guard, parser, validation, price, bucket) gives an answer with errors and without
    /// data. The errors have `extensions.code` of [`ErrorCode`].
    pub async fn execute(&self, actor: Actor, request: Request) -> Executed {
        let rate = self.services().limiter.check(&actor.tenant_id, &actor.plan_id, 0).await;
        self.execute_prepaid(actor, request, 0, rate).await
    }

    /// The same after admission has charged `prepaid` points, which left the bucket at `rate`.
    pub(crate) async fn execute_prepaid(
        &self,
        actor: Actor,
        request: Request,
        prepaid: u32,
        rate: RateDecision,
    ) -> Executed {
        let request_id = actor.request_id.clone();
        let mut executed = match self.check(&request.query) {
            Err(error) => {
                let response = Response::from_errors(vec![server_error(&error)]);
                Executed { response, cost: prepaid, rate }
            }
            Ok(()) => self.run(actor, request, prepaid, rate).await,
        };
        finish(&mut executed.response, request_id.as_deref());
        executed
    }

    /// Executes any operation as a stream of answers, for a connection that lives on: one for a query or mutation.
    pub(crate) fn stream(
        &self,
        session: Session,
        request: Request,
        prepaid: u32,
        rate: RateDecision,
    ) -> BoxStream<'static, Response> {
        let actor = session.actor();
        let request_id = actor.request_id.clone();
        if let Err(error) = self.check(&request.query) {
            let mut response = Response::from_errors(vec![server_error(&error)]);
            finish(&mut response, request_id.as_deref());
            return stream::iter([response]).boxed();
        }
        let till = Arc::new(self.till(prepaid, rate));
        let request = self.prepare(actor, request, till.clone()).data(session);
        let answers = self.inner.schema.execute_stream(request);
        let finished = answers.map(move |mut response| {
            till.complete(&mut response);
            finish(&mut response, request_id.as_deref());
            response
        });
        finished.boxed()
    }

    /// What is refused before the parser sees it.
    pub(crate) fn check(&self, query: &str) -> Result<(), Error> {
        let limits = &self.settings().guard;
        if query.len() > limits.bytes {
            let message = format!("The query is longer than {} bytes.", limits.bytes);
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        guard::check(query, limits).map_err(|refusal| {
            let code = if refusal.is_syntax() { ErrorCode::GraphqlParseFailed } else { ErrorCode::QueryRefused };
            Error::new(code, refusal.message(limits))
        })
    }

    fn till(&self, prepaid: u32, rate: RateDecision) -> Till {
        Till::new(self.services().limiter.clone(), self.settings().max_points, prepaid, rate)
    }

    async fn run(&self, actor: Actor, request: Request, prepaid: u32, rate: RateDecision) -> Executed {
        let mut till = self.till(prepaid, rate);
        let priced_only = dry_run::asked_for(&request);
        till.dry_run = priced_only.is_some();
        let till = Arc::new(till);
        let (_, session) = Session::new(actor.clone());
        let request = self.prepare(actor, request, till.clone()).data(session);
        let mut response = self.inner.schema.execute(request).await;
        till.complete(&mut response);
        let charged = till.charged();
        if let Some(document) = priced_only {
            response = dry_run::answer(response, &document, &charged);
        }
        Executed { response, cost: charged.cost, rate: charged.rate }
    }

    fn prepare(&self, actor: Actor, request: Request, till: Arc<Till>) -> Request {
        let blind = match self.settings().introspection {
            Introspection::Everybody => false,
            Introspection::With(scope) => !actor.scopes.contains(&scope),
        };
        let loaders = Loaders::of_request(self.services().scans.clone(), actor.clone());
        let request = if blind { request.disable_introspection() } else { request };
        request.data(actor).data(loaders).data(till)
    }
}

#[cfg(test)]
mod tests;
