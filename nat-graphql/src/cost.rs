//! What a document costs, and who pays.
//!
//! A *point* is what one call of the REST API costs: one object, or one page of up to a hundred rows. A document is
//! charged the points that its text can cost at most, before it runs, from the bucket that REST calls are charged from,
//! so that GraphQL is no way around the limit. Inside the library a point is [`POINT`] units, so that rows and fields
//! can cost parts of one.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextResolve, NextValidation, ResolveInfo,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{PathSegment, Pos, Response, ServerError, ServerResult, ValidationResult, Value, Variables};
use futures::FutureExt;
use nat_core::rate_limit::{RateDecision, RateLimiter};
use nat_core::{Actor, Error, ErrorCode};

use crate::error::{server_error, with_code};
use crate::facade::Order;

/// Units of one point.
pub(crate) const POINT: usize = 100_000;
/// Units of a row of a list: a hundred make a point.
const ROW: usize = POINT / 100;
/// Rows of a list at most; a list that asks for more is refused when it is resolved.
const MAX_ROWS: usize = 100;

/// A list that is read by itself: a point, and each row its fields.
pub(crate) fn list(first: i32, child: usize) -> usize {
    POINT.saturating_add(rows(first).saturating_mul(child))
}

/// A list of each object of a list, read together with its neighbours: its rows, and each row its fields.
pub(crate) fn nested(first: i32, child: usize) -> usize {
    rows(first).saturating_mul(ROW.saturating_add(child))
}

/// Objects by id: as one call each.
pub(crate) fn each(count: usize, child: usize) -> usize {
    count.saturating_mul(POINT.saturating_add(child))
}

fn rows(first: i32) -> usize {
    usize::try_from(first).unwrap_or(0).min(MAX_ROWS)
}

/// Whole points of units; a document costs at least one.
fn points(units: usize) -> u32 {
    u32::try_from(units / POINT).unwrap_or(u32::MAX).max(1)
}

/// What was charged for a request.
#[derive(Clone, Debug)]
pub(crate) struct Charged {
    /// Points.
    pub(crate) cost: u32,
    /// The bucket after it.
    pub(crate) rate: RateDecision,
}

/// Charges one request. It lies in the data of the request.
pub(crate) struct Till {
    limiter: Arc<dyn RateLimiter>,
    /// Points that were paid before anything was read.
    prepaid: u32,
    max_points: u32,
    /// Only tells the price.
    pub(crate) dry_run: bool,
    rate: RateDecision,
    charged: Mutex<Option<Charged>>,
    /// Errors of resolvers that panicked: the library has no place for them.
    mishaps: Mutex<Vec<ServerError>>,
    /// Of the document, once it is parsed.
    order: Mutex<Option<Order>>,
}

impl Till {
    pub(crate) fn new(limiter: Arc<dyn RateLimiter>, max_points: u32, prepaid: u32, rate: RateDecision) -> Self {
        Self {
            limiter,
            prepaid,
            max_points,
            dry_run: false,
            rate,
            charged: Mutex::default(),
            mishaps: Mutex::default(),
            order: Mutex::default(),
        }
    }

    /// Adds what the library has no place for: the errors of resolvers that panicked, and the order of the question.
    pub(crate) fn complete(&self, response: &mut Response) {
        response.errors.append(&mut self.mishaps.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(order) = &*self.order.lock().unwrap_or_else(PoisonError::into_inner) {
            order.arrange(&mut response.data);
        }
    }

    /// What was charged; at least what was paid before.
    pub(crate) fn charged(&self) -> Charged {
        let charged = self.charged.lock().unwrap_or_else(PoisonError::into_inner);
        charged.clone().unwrap_or(Charged { cost: self.prepaid, rate: self.rate })
    }

    /// Charges what is still to be paid; refuses what is too dear or more than the bucket holds.
    async fn charge(&self, actor: &Actor, units: usize) -> Result<(), Error> {
        let cost = points(units);
        if cost > self.max_points {
            let message = format!("The query may cost {cost} points; {} is the most.", self.max_points);
            return Err(Error::new(ErrorCode::QueryRefused, message).with("cost", cost));
        }
        let owed = cost.saturating_sub(self.prepaid);
        let rate = if owed == 0 || self.dry_run {
            self.rate
        } else {
            self.limiter.check(&actor.tenant_id, &actor.plan_id, owed).await
        };
        *self.charged.lock().unwrap_or_else(PoisonError::into_inner) = Some(Charged { cost, rate });
        if rate.allowed { Ok(()) } else { Err(too_dear(cost, &rate)) }
    }
}

/// E6 with what a client needs to plan its queries.
fn too_dear(cost: u32, rate: &RateDecision) -> Error {
    let state = serde_json::json!({
        "requested": cost, "limit": rate.limit, "remaining": rate.remaining,
        "restoreRate": rate.limit.map(|limit| f64::from(limit) / 60.0),
    });
    Error::rate_limited(rate.retry_after_s).with("cost", state)
}

/// Stands around every request: codes for what the library refuses, the price before anything runs, and a wall around
/// each resolver that panics.
pub(crate) struct Toll;

impl ExtensionFactory for Toll {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

/// A dry run stops here, with its price in the till.
pub(crate) const DRY_RUN: &str = "DRY_RUN";

#[async_graphql::async_trait::async_trait]
impl Extension for Toll {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let parsed = unharmed(next.run(context, query, variables)).await?;
        let document = parsed.map_err(|error| with_code(error, ErrorCode::GraphqlParseFailed))?;
        let till = context.data_unchecked::<Arc<Till>>();
        *till.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(Order::of(&document));
        Ok(document)
    }

    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let refuse = |error| with_code(error, ErrorCode::GraphqlValidationFailed);
        let validated = unharmed(next.run(context)).await?;
        let validated = validated.map_err(|errors| errors.into_iter().map(refuse).collect::<Vec<_>>())?;
        let till = context.data_unchecked::<Arc<Till>>();
        let actor = context.data_unchecked::<Actor>();
        till.charge(actor, validated.complexity).await.map_err(|error| vec![server_error(&error)])?;
        if till.dry_run {
            return Err(vec![ServerError::new(DRY_RUN, None)]);
        }
        Ok(validated)
    }

    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let place = (info.field.name.pos, info.path_node.to_string_vec());
        let is_nullable = !info.return_type.ends_with('!');
        match AssertUnwindSafe(next.run(context, info)).catch_unwind().await {
            Ok(resolved) => resolved,
            Err(panic) => {
                let error = mishap(panic.as_ref(), place);
                if !is_nullable {
                    return Err(error);
                }
                let till = context.data_unchecked::<Arc<Till>>();
                till.mishaps.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                Ok(None)
            }
        }
    }
}

/// What reading a document gives. The library panics over some that are merely wrong, such as a variable of an unknown
/// type with a default value (found by fuzzing); nothing of ours runs then, so it is the document's fault.
async fn unharmed<T>(reading: impl Future<Output = T>) -> Result<T, ServerError> {
    AssertUnwindSafe(reading).catch_unwind().await.map_err(|panic| {
        tracing::warn!(why = text_of(panic.as_ref()), "the library could not read a document");
        let message = "The document does not fit the schema.";
        with_code(ServerError::new(message, None), ErrorCode::GraphqlValidationFailed)
    })
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}

/// The masked error of a resolver that panicked.
fn mishap(panic: &(dyn Any + Send), (position, path): (Pos, Vec<String>)) -> ServerError {
    metrics::counter!("nat_http_panics_total").increment(1);
    let mut error = server_error(&Error::internal(format!("panic: {}", text_of(panic))));
    error.locations = vec![position];
    error.path = path
        .into_iter()
        .map(|segment| segment.parse().map_or_else(|_| PathSegment::Field(segment), PathSegment::Index))
        .collect();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_those_of_rest() {
        for (units, expected) in [
            (0, 1),
            (POINT, 1),
            (list(50, 40), 1),
            (list(50, nested(10, 30)), 6),
            (100 * POINT, 100),
            (each(100, 10), 100),
            (list(i32::MAX, nested(i32::MAX, nested(100, 5))), 10_151),
            (list(-1, 7), 1),
            (usize::MAX, u32::MAX),
        ] {
            assert_eq!(points(units), expected, "{units}");
        }
        assert_eq!(each(usize::MAX, 2), usize::MAX);
    }
}
