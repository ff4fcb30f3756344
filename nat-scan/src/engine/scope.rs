//! Which operations are tried, and why the others are not.

use crate::check::security::percent_decoded;
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// The decision for each operation.
pub(super) struct Scope {
    left_out: Vec<Option<String>>,
}

impl Scope {
    pub(super) fn new(api: &Api, base_path: &str, exclude: &[String], safe_mode: bool) -> Self {
        let decide = |operation: &crate::spec::Operation| {
            let full = format!("{base_path}{}", operation.path);
            let excluded = exclude.iter().find(|pattern| matches(pattern, &operation.path) || matches(pattern, &full));
            if let Some(pattern) = excluded {
                return Some(format!("excluded by {pattern}"));
            }
            if safe_mode && !matches!(operation.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
                return Some(format!("safe mode: {} may change something", operation.method));
            }
            operation.unusable.as_ref().map(|reason| format!("the spec of this operation cannot be used: {reason}"))
        };
        Self { left_out: api.operations.iter().map(decide).collect() }
    }

    /// Why an operation is not tried.
    pub(super) fn left_out(&self, operation: usize) -> Option<&str> {
        self.left_out.get(operation)?.as_deref()
    }

    /// Those that are.
    pub(super) fn operations(&self) -> Vec<usize> {
        (0..self.left_out.len()).filter(|index| self.left_out[*index].is_none()).collect()
    }
}

/// What checks may send, whatever they ask for: nothing to what is left out, and in safe mode nothing that may change
/// something.
pub(super) struct Fence {
    base_path: String,
    exclude: Vec<String>,
    safe_mode: bool,
}

impl Fence {
    pub(super) fn new(base_path: &str, exclude: &[String], safe_mode: bool) -> Self {
        Self { base_path: base_path.to_owned(), exclude: exclude.to_vec(), safe_mode }
    }

    /// A path may be spelt so that only the target sees where it leads: it must be allowed as sent and as resolved.
    pub(super) fn permits(&self, request: &Request, operation: Option<&Operation>) -> bool {
        if self.safe_mode && !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            return false;
        }
        if self.exclude.is_empty() {
            return true;
        }
        let sent = request.target.split(['?', '#']).next().unwrap_or_default();
        let resolved = resolve(&percent_decoded(sent));
        let template = operation.map(|operation| operation.path.as_str());
        let places = [Some(sent), Some(resolved.as_str()), template];
        !places.into_iter().flatten().any(|place| self.leaves_out(place))
    }

    /// `/admin/*` leaves out `/admin`, too: who spares what lies below does not want the place itself asked.
    fn leaves_out(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.base_path.as_str()).unwrap_or(path);
        let place = format!("{below}/");
        self.exclude.iter().any(|pattern| [path, below, &place].into_iter().any(|path| matches(pattern, path)))
    }
}

/// The path without `.`, `..` and empty segments.
fn resolve(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// `*` stands for anything, slashes too; everything else for itself. Linear: the last `*` is the only one to go back to.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < path.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&path[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fence_holds_however_a_path_is_spelt() {
        let fence = Fence::new("/v2", &["/admin/*".to_owned(), "/v2/pay".to_owned()], false);
        for (target, expected) in [
            ("/v2/pets", true),
            ("/v2/admin/users?x=1", false),
            ("/v2/adm%69n/users", false),
            ("/v2/admin", false),
            ("/v2/administrators", true),
            ("/v2/pets/../admin/users", false),
            ("/v2/pets/..%2fadmin%2fusers", false),
            ("/v2//admin/users", false),
            ("/v2/.//admin/./users", false),
            ("/v2/pets?next=/admin/users", true),
            ("/v2/pay#x", false),
            ("/v2/payments", true),
            ("/admin/users", false),
        ] {
            assert_eq!(fence.permits(&Request::new("GET", target), None), expected, "{target}");
        }
        let safe = Fence::new("", &[], true);
        for (method, expected) in [("GET", true), ("HEAD", true), ("OPTIONS", true), ("POST", false), ("get", false)] {
            assert_eq!(safe.permits(&Request::new(method, "/"), None), expected, "{method}");
        }
    }

    #[test]
    fn pattern_matches_whole_paths() {
        let check = |pattern: &str, path: &str, expected: bool| {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}")
        };
        check("/admin/*", "/admin/users/{id}", true);
        check("/admin/*", "/admin", false);
        check("/admin*", "/admin", true);
        check("*/delete", "/a/b/delete", true);
        check("/a", "/ab", false);
        check("*a*b*c", "/xaxbxxc", true);
        check("", "", true);
    }
}
