//! The facade over the real services and a fresh database of every configured kind. The numbers of the tests are those
//! of the cases of the design.

mod app;
mod document;
mod http;
mod isolation;
mod list;
mod mutation;
mod schema;
mod socket;
