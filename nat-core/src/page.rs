//! Pages: numbered ones for the published REST lists, cursors for the rest.

use crate::{Result, error::Validation};

/// A numbered page. `page` from 1, `per_page` from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// From 1.
    pub page: u32,
    /// 1 to 100.
    pub per_page: u32,
}

impl PageRequest {
    /// Applies the defaults (page 1, 20 rows) and refuses what is out of range with a 422.
    pub fn new(page: Option<u64>, per_page: Option<u64>) -> Result<Self> {
        let mut validation = Validation::default();
        let page = page.unwrap_or(1);
        let per_page = per_page.unwrap_or(20);
        if !(1..=1_000_000).contains(&page) {
            validation.invalid("page", "must be between 1 and 1000000");
        }
        if !(1..=100).contains(&per_page) {
            validation.invalid("per_page", "must be between 1 and 100");
        }
        validation.finish()?;
        Ok(Self { page: u32::try_from(page).unwrap_or(1), per_page: u32::try_from(per_page).unwrap_or(20) })
    }

    /// Rows to skip.
    #[must_use]
    pub fn offset(self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.per_page)
    }
}

/// One numbered page of rows and how many rows there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in order.
    pub rows: Vec<T>,
    /// All rows, on every page.
    pub total: u64,
    /// What was asked for.
    pub request: PageRequest,
}

/// A slice behind a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The rows, in order.
    pub rows: Vec<T>,
    /// Opaque; `None` at the end.
    pub next_cursor: Option<String>,
}

/// A window onto a list: `first` rows after a cursor, for lists that grow while they are paged through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRequest {
    /// 1 to [`MAX_WINDOW`].
    pub first: u32,
    /// The cursor of the last row that was seen.
    pub after: Option<String>,
}

/// Rows of one window at most.
pub const MAX_WINDOW: u32 = 100;

impl WindowRequest {
    /// Refuses what is out of range with a 422.
    pub fn new(first: i64, after: Option<String>) -> Result<Self> {
        let mut validation = Validation::default();
        let rows = u32::try_from(first).ok().filter(|first| (1..=MAX_WINDOW).contains(first));
        if rows.is_none() {
            validation.invalid("first", &format!("must be between 1 and {MAX_WINDOW}"));
        }
        validation.finish()?;
        Ok(Self { first: rows.unwrap_or(MAX_WINDOW), after })
    }

    /// Rows to read: one more than is shown tells whether there are more.
    #[must_use]
    pub fn limit(&self) -> u64 {
        u64::from(self.first) + 1
    }
}

/// What a [`WindowRequest`] gets. Each row has its cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<T> {
    /// Cursor and row, in order.
    pub rows: Vec<(String, T)>,
    /// Whether rows follow.
    pub has_next: bool,
    /// Whether the window began behind a cursor, which stood on a row once.
    pub has_previous: bool,
}

impl<T> Window<T> {
    /// From at most [`WindowRequest::limit`] rows; `cursor` names the place of one.
    pub fn of(mut rows: Vec<T>, request: &WindowRequest, cursor: impl Fn(&T) -> String) -> Self {
        let has_next = rows.len() > request.first as usize;
        rows.truncate(request.first as usize);
        let rows = rows.into_iter().map(|row| (cursor(&row), row)).collect();
        Self { rows, has_next, has_previous: request.after.is_some() }
    }
}

/// Opaque cursors: a few numbers as URL-safe base 64. They hold positions, never rights, so they need no signature.
pub mod cursor {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest, Sha256};

    use crate::{Error, ErrorCode, Result};

    /// Bytes that bind a [`place`] to its list.
    const TAG: usize = 6;
    /// Characters of a cursor that are worth decoding.
    const MAX_CHARS: usize = 256;

    /// The cursor of the place `text` in `list`. `list` names everything that decides what the list is (its kind, the
    /// tenant, order, filters): a cursor of another list is refused and not taken for a place in this one.
    #[must_use]
    pub fn place(list: &str, text: &str) -> String {
        let mut bytes = Sha256::digest(list)[..TAG].to_vec();
        bytes.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The text of a [`place`] in `list`; a 422 for everything else.
    pub fn read_place(list: &str, cursor: &str) -> Result<String> {
        let bytes = if cursor.len() <= MAX_CHARS { URL_SAFE_NO_PAD.decode(cursor).ok() } else { None };
        let (tag, text) = bytes.as_deref().and_then(|bytes| bytes.split_at_checked(TAG)).ok_or_else(refused)?;
        if tag != &Sha256::digest(list)[..TAG] {
            return Err(refused());
        }
        String::from_utf8(text.to_vec()).map_err(|_| refused())
    }

    /// The text of `numbers`.
    #[must_use]
    pub fn encode<const N: usize>(numbers: [i64; N]) -> String {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The numbers of `text`; a 422 for everything that [`encode`] did not make.
    pub fn decode<const N: usize>(text: &str) -> Result<[i64; N]> {
        // 64 characters hold six numbers; nothing longer is worth decoding.
        let bytes = if text.len() <= 64 { URL_SAFE_NO_PAD.decode(text).ok() } else { None };
        let bytes = bytes.filter(|bytes| bytes.len() == N * 8).ok_or_else(refused)?;
        let mut numbers = [0; N];
        for (number, eight) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = eight.iter().fold(0, |number, byte| (number << 8) | i64::from(*byte));
        }
        Ok(numbers)
    }

    /// 422 on the field `cursor`.
    #[must_use]
    pub fn refused() -> Error {
        Error::new(ErrorCode::ValidationError, "Field 'cursor' is not a cursor of this list.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_request_out_of_range_is_refused() {
        for (page, per_page, wanted) in [
            (None, None, Some((1, 20, 0))),
            (Some(3), Some(100), Some((3, 100, 200))),
            (Some(1_000_000), Some(1), Some((1_000_000, 1, 999_999))),
            (Some(0), None, None),
            (Some(1_000_001), None, None),
            (None, Some(0), None),
            (None, Some(101), None),
            (Some(u64::MAX), Some(u64::MAX), None),
        ] {
            let request = PageRequest::new(page, per_page).ok();
            assert_eq!(request.map(|r| (r.page, r.per_page, r.offset())), wanted, "{page:?} {per_page:?}");
        }
    }

    #[test]
    fn window_request_out_of_range_is_refused() {
        for (first, passes) in [(1, true), (100, true), (0, false), (101, false), (-1, false), (i64::MAX, false)] {
            assert_eq!(WindowRequest::new(first, None).is_ok(), passes, "{first}");
        }
    }

    #[test]
    fn window_of_exactly_the_rows_has_no_next() {
        let check = |rows: &[u8], first, after: Option<&str>, expected: (usize, bool, bool)| {
            let request = WindowRequest::new(first, after.map(str::to_owned)).expect("in range");
            let window = Window::of(rows.to_vec(), &request, ToString::to_string);
            assert_eq!((window.rows.len(), window.has_next, window.has_previous), expected, "{rows:?} {first}");
        };
        check(&[], 2, None, (0, false, false));
        check(&[1, 2], 2, None, (2, false, false));
        check(&[1, 2, 3], 2, Some("x"), (2, true, true));
    }

    #[test]
    fn place_belongs_to_its_list() {
        let cursor = cursor::place("scans|t1", "scan_1");
        assert_eq!(cursor::read_place("scans|t1", &cursor).ok().as_deref(), Some("scan_1"));
        for (list, text) in [("scans|t2", &*cursor), ("scans|t1", "AAAA"), ("scans|t1", ""), ("scans|t1", "!")] {
            assert!(cursor::read_place(list, text).is_err(), "{list} {text}");
        }
        assert!(cursor::read_place("l", &cursor::place("l", &"x".repeat(300))).is_err());
    }

    #[test]
    fn cursor_survives_and_garbage_is_refused() {
        for numbers in [[0, 0], [1, -1], [i64::MAX, i64::MIN]] {
            assert_eq!(cursor::decode(&cursor::encode(numbers)).ok(), Some(numbers));
        }
        let one = cursor::encode([1]);
        for text in ["", "!", "AAAA", &one, &"A".repeat(1000), "AAAAAAAAAAAAAAAAAAAAA ", "Ä"] {
            assert!(cursor::decode::<2>(text).is_err(), "{text:?}");
        }
    }
}
