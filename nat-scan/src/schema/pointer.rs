//! JSON pointers (RFC 6901) as text.

use std::fmt::Write as _;

/// Appends one segment.
pub(crate) fn push(pointer: &mut String, segment: impl Segment) {
    pointer.push('/');
    segment.write(pointer);
}

/// `parent` with one more segment.
#[must_use]
pub(crate) fn join(parent: &str, segment: impl Segment) -> String {
    let mut pointer = parent.to_owned();
    push(&mut pointer, segment);
    pointer
}

/// A key or an index.
pub(crate) trait Segment {
    /// Writes it with `~` and `/` escaped.
    fn write(&self, pointer: &mut String);
}

impl Segment for usize {
    fn write(&self, pointer: &mut String) {
        let _ = write!(pointer, "{self}");
    }
}

impl Segment for &str {
    fn write(&self, pointer: &mut String) {
        for character in self.chars() {
            match character {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
    }
}

impl Segment for &String {
    fn write(&self, pointer: &mut String) {
        self.as_str().write(pointer);
    }
}
