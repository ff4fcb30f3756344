//! Functional checks: does the API keep its contract?
