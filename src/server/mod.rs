//! A server: the services over their ports, the public router, the worker and the sweeper.

mod compose;
mod run;
mod seal;

pub use compose::{App, compose, engine_ports};
pub use run::{Part, graphql_services, serve, work};
