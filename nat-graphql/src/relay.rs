//! Global ids and connections, as Relay wants them.

use async_graphql::connection::PageInfo;
use async_graphql::{ComplexObject, ID, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nat_core::page::{Window, WindowRequest};
use nat_core::{KeyId, PlanId, Result, ScanId, TenantId};
use nat_scan::service::FindingId;

use crate::object::{FindingObject, FindingTotals, LedgerEntryObject, ScanObject, ScanTotals, UsageAlertObject};

/// Characters of an id that are worth decoding.
const MAX_ID: usize = 512;

/// What a global id names. It says what to look for, never who may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GlobalId {
    Tenant(TenantId),
    Plan(PlanId),
    ApiKey(KeyId),
    Scan(ScanId),
    Finding(FindingId),
}

impl GlobalId {
    /// The opaque text on the wire.
    pub(crate) fn encode(&self) -> ID {
        let text = match self {
            Self::Tenant(id) => format!("Tenant:{id}"),
            Self::Plan(id) => format!("Plan:{id}"),
            Self::ApiKey(id) => format!("ApiKey:{id}"),
            Self::Scan(id) => format!("Scan:{id}"),
            Self::Finding(id) => format!("Finding:{}:{}", id.scan_id, id.fingerprint),
        };
        ID(URL_SAFE_NO_PAD.encode(text))
    }

    /// What the text names; `None` for everything that [`Self::encode`] did not make.
    pub(crate) fn decode(id: &ID) -> Option<Self> {
        let bytes = if id.len() <= MAX_ID { URL_SAFE_NO_PAD.decode(id.as_str()).ok()? } else { return None };
        let text = String::from_utf8(bytes).ok()?;
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "Tenant" => Self::Tenant(rest.into()),
            "Plan" => Self::Plan(rest.into()),
            "ApiKey" => Self::ApiKey(rest.into()),
            "Scan" => Self::Scan(rest.into()),
            "Finding" => {
                let (scan_id, fingerprint) = rest.split_once(':')?;
                Self::Finding(FindingId { scan_id: scan_id.into(), fingerprint: fingerprint.to_owned() })
            }
            _ => return None,
        })
    }
}

/// A scan by its global id, or by the id that REST shows.
pub(crate) fn scan_id(id: &ID) -> ScanId {
    match GlobalId::decode(id) {
        Some(GlobalId::Scan(scan_id)) => scan_id,
        _ => ScanId::new(id.as_str()),
    }
}

/// A key by its global id, or by the id that REST shows.
pub(crate) fn key_id(id: &ID) -> KeyId {
    match GlobalId::decode(id) {
        Some(GlobalId::ApiKey(key_id)) => key_id,
        _ => KeyId::new(id.as_str()),
    }
}

/// The window that `first` and `after` ask for.
pub(crate) fn window(first: i32, after: Option<String>) -> Result<WindowRequest> {
    WindowRequest::new(first.into(), after)
}

/// Connection and edge of one type of node, with what the connection has beside its edges.
macro_rules! connections {
    ($($connection:ident $edge:ident $node:ident $($beside:ident: $totals:ident)?;)*) => {$(
        /// A page of a list.
        #[derive(SimpleObject)]
        #[graphql(complex)]
        pub(crate) struct $connection {
            /// The rows with their cursors.
            edges: Vec<$edge>,
            /// Where the page stands in the list.
            page_info: PageInfo,
            $(#[graphql(flatten)]
            $beside: $totals,)?
        }

        #[ComplexObject]
        impl $connection {
            /// The rows without their cursors.
            async fn nodes(&self) -> Vec<&$node> {
                self.edges.iter().map(|edge| &edge.node).collect()
            }
        }

        /// A row of a list, and its place.
        #[derive(SimpleObject)]
        pub(crate) struct $edge {
            /// The row.
            node: $node,
            /// Its place, for `after`.
            cursor: String,
        }

        impl $connection {
            /// Over the rows of a window.
            pub(crate) fn new<Row>(window: Window<Row> $(, $beside: $totals)?) -> Self
            where
                $node: From<Row>,
            {
                let page_info = page_info(&window);
                let edge = |(cursor, row)| $edge { node: <$node>::from(row), cursor };
                let edges = window.rows.into_iter().map(edge).collect();
                Self { edges, page_info $(, $beside)? }
            }
        }
    )*};
}

connections! {
    ScanConnection ScanEdge ScanObject totals: ScanTotals;
    FindingConnection FindingEdge FindingObject totals: FindingTotals;
    LedgerEntryConnection LedgerEntryEdge LedgerEntryObject;
    UsageAlertConnection UsageAlertEdge UsageAlertObject;
}

fn page_info<Row>(window: &Window<Row>) -> PageInfo {
    PageInfo {
        has_next_page: window.has_next,
        has_previous_page: window.has_previous,
        start_cursor: window.rows.first().map(|(cursor, _)| cursor.clone()),
        end_cursor: window.rows.last().map(|(cursor, _)| cursor.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_id_survives_and_garbage_names_nothing() {
        let finding = FindingId { scan_id: "scan_1".into(), fingerprint: "ab".to_owned() };
        for id in [
            GlobalId::Tenant("a:b".into()),
            GlobalId::Plan("free".into()),
            GlobalId::ApiKey("k".into()),
            GlobalId::Scan("scan_1".into()),
            GlobalId::Finding(finding),
        ] {
            assert_eq!(GlobalId::decode(&id.encode()), Some(id));
        }
        for text in ["", "scan_1", "!", "AAAA", &"A".repeat(5_000), &URL_SAFE_NO_PAD.encode("Finding:x")] {
            assert_eq!(GlobalId::decode(&ID(text.to_owned())), None, "{text}");
        }
    }
}
