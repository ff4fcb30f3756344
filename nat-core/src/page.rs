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
