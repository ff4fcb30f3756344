//! nat-graphql
