//! Automatic persisted queries: a client sends the hash of a query and, when it is not known, the query with it.
//!
//! Each tenant has a store of its own and fills only its own: what one registers, another does not find. Both the
//! queries of a tenant and the tenants are bounded; what is not used goes first.

use std::sync::Arc;

use async_graphql::{Request as Document, Value};
use moka::future::Cache;
use nat_core::{Error, ErrorCode, TenantId};
use sha2::{Digest, Sha256};

/// Tenants with a store.
const MAX_TENANTS: u64 = 10_000;
/// Bytes of the queries of one tenant.
const MAX_BYTES: u64 = 1 << 20;

type Store = Cache<[u8; 32], Arc<str>>;

#[derive(Clone)]
pub(super) struct PersistedQueries {
    tenants: Cache<TenantId, Store>,
}

impl Default for PersistedQueries {
    fn default() -> Self {
        Self { tenants: Cache::new(MAX_TENANTS) }
    }
}

fn new_store() -> Store {
    let weight = |_: &[u8; 32], query: &Arc<str>| u32::try_from(query.len()).unwrap_or(u32::MAX).max(64);
    Cache::builder().weigher(weight).max_capacity(MAX_BYTES).build()
}

impl PersistedQueries {
    /// The document with its query: as it is when it names no hash, looked up when it has only a hash, and remembered
    /// when it has both.
    pub(super) async fn resolve(&self, tenant_id: &TenantId, mut document: Document) -> Result<Document, Error> {
        let Some(persisted) = document.extensions.get("persistedQuery") else { return Ok(document) };
        let hash = read_hash(persisted).ok_or_else(mismatch)?;
        let store = self.tenants.get_with_by_ref(tenant_id, async { new_store() }).await;
        if document.query.is_empty() {
            let known = store.get(&hash).await.ok_or_else(not_found)?;
            known.as_ref().clone_into(&mut document.query);
        } else if Sha256::digest(&document.query)[..] == hash {
            store.insert(hash, document.query.as_str().into()).await;
        } else {
            return Err(mismatch());
        }
        Ok(document)
    }
}

/// The hash, when version and form are right.
fn read_hash(persisted: &Value) -> Option<[u8; 32]> {
    let Value::Object(members) = persisted else { return None };
    let (Some(Value::Number(version)), Some(Value::String(hash))) = (members.get("version"), members.get("sha256Hash"))
    else {
        return None;
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    (version.as_u64() == Some(1)).then_some(bytes)
}

/// The message is the one that clients of this extension look for.
fn not_found() -> Error {
    Error::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
}

fn mismatch() -> Error {
    Error::new(ErrorCode::PersistedQueryMismatch, "provided sha does not match query")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(query: &str, hash: &str) -> Document {
        let extension = serde_json::json!({"version": 1, "sha256Hash": hash});
        let mut document = Document::new(query);
        document.extensions.insert("persistedQuery".to_owned(), Value::from_json(extension).expect("JSON"));
        document
    }

    fn hash(query: &str) -> String {
        hex::encode(Sha256::digest(query))
    }

    #[tokio::test]
    async fn store_is_of_one_tenant_and_bounded() {
        let queries = PersistedQueries::default();
        let (ann, bob) = (TenantId::from("ann"), TenantId::from("bob"));
        let code = |result: Result<Document, Error>| result.err().map(|error| error.code);
        let q = "{ usage { plan } }";
        assert_eq!(code(queries.resolve(&ann, document("", &hash(q))).await), Some(ErrorCode::PersistedQueryNotFound));
        assert_eq!(code(queries.resolve(&ann, document(q, &hash("x"))).await), Some(ErrorCode::PersistedQueryMismatch));
        assert_eq!(code(queries.resolve(&ann, document(q, "zz")).await), Some(ErrorCode::PersistedQueryMismatch));
        assert_eq!(code(queries.resolve(&ann, document(q, &hash(q))).await), None);
        assert_eq!(queries.resolve(&ann, document("", &hash(q))).await.expect("known").query, q);
        assert_eq!(code(queries.resolve(&bob, document("", &hash(q))).await), Some(ErrorCode::PersistedQueryNotFound));

        for number in 0..200 {
            let long = format!("#{number}{}", "x".repeat(32 << 10));
            queries.resolve(&ann, document(&long, &hash(&long))).await.expect("stored");
        }
        let store = queries.tenants.get(&ann).await.expect("a store");
        store.run_pending_tasks().await;
        assert!(store.weighted_size() <= MAX_BYTES, "{}", store.weighted_size());
    }
}
