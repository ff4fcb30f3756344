//! The flows of OAuth 2 that a document declares.

use super::document::Place;
use super::ir::OAuthFlow;
use super::loader::Loader;

/// Of every scheme, in the document's order.
pub(super) fn flows(loader: &mut Loader<'_>) -> Vec<OAuthFlow> {
    let root = loader.docs.root();
    let newer = root.get("components").and_then(|components| components.get("securitySchemes"));
    let schemes = newer.or_else(|| root.get("securityDefinitions"));
    let mut found = Vec::new();
    for (name, place) in schemes.iter().flat_map(Place::entries) {
        let Some(place) = loader.follow(place).filter(|place| place.text("type").as_deref() == Some("oauth2")) else {
            continue;
        };
        match (place.get("flows"), place.text("flow")) {
            (Some(flows), _) => {
                found.extend(flows.entries().map(|(kind, flow)| one(loader, name, kind, &flow)));
            }
            // 2.0 has one flow a scheme, and other names for two of them.
            (None, Some(kind)) => {
                let kind = match kind.as_str() {
                    "application" => "clientCredentials",
                    "accessCode" => "authorizationCode",
                    other => other,
                };
                found.push(one(loader, name, kind, &place));
            }
            (None, None) => {}
        }
    }
    found
}

fn one(loader: &Loader<'_>, scheme: &str, kind: &str, flow: &Place<'_>) -> OAuthFlow {
    OAuthFlow {
        scheme: scheme.to_owned(),
        kind: kind.chars().take(60).collect(),
        urls: ["authorizationUrl", "tokenUrl", "refreshUrl"].iter().filter_map(|key| flow.text(key)).collect(),
        pointer: loader.label(flow),
    }
}
