//! Which operations are tried, and why the others are not.

use crate::spec::Api;

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
