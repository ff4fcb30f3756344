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

/// Opaque cursors: a few numbers as URL-safe base 64. They hold positions, never rights, so they need no signature.
pub mod cursor {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use crate::{Error, ErrorCode, Result};

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
