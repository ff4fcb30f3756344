//! What a target says to paths that nobody knows: told apart from real answers, a catch-all page proves nothing.

use std::collections::BTreeSet;

use crate::transport::Response;

/// Of a body that is compared.
const COMPARED: usize = 16 << 10;
/// Words kept of one page.
const MAX_WORDS: usize = 2_000;
/// Share of words in common that makes two pages the same, in percent.
const SAME: usize = 90;

/// Answers to random paths.
#[derive(Clone, Debug, Default)]
pub(super) struct CatchAll {
    known: Vec<Page>,
}

#[derive(Clone, Debug)]
struct Page {
    status: u16,
    media: Option<String>,
    words: BTreeSet<String>,
}

impl CatchAll {
    /// Learns an answer to a path that cannot exist.
    pub(super) fn learn(&mut self, response: &Response) {
        self.known.push(Page::of(response));
    }

    /// The answer looks like one of those.
    pub(super) fn matches(&self, response: &Response) -> bool {
        let page = Page::of(response);
        self.known.iter().any(|known| known.resembles(&page))
    }
}

impl Page {
    fn of(response: &Response) -> Self {
        let body = &response.body[..response.body.len().min(COMPARED)];
        let text = String::from_utf8_lossy(body);
        // Words with digits are nonces, times and ids: they differ between two answers that say the same.
        let words = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty() && !word.chars().any(|c| c.is_ascii_digit()))
            .take(MAX_WORDS)
            .map(str::to_owned)
            .collect();
        Self { status: response.status, media: response.media_type(), words }
    }

    fn resembles(&self, other: &Self) -> bool {
        if self.status != other.status || self.media != other.media {
            return false;
        }
        let common = self.words.intersection(&other.words).count();
        let all = self.words.union(&other.words).count();
        all == 0 || common * 100 >= all * SAME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::respond;

    #[test]
    fn page_with_other_numbers_is_the_same_page() {
        let mut catch_all = CatchAll::default();
        catch_all.learn(&respond(200, "text/html", "<html><title>My App</title>nonce 8d7f id=17</html>"));
        assert!(catch_all.matches(&respond(200, "text/html", "<html><title>My App</title>nonce a991 id=4</html>")));
        assert!(!catch_all.matches(&respond(200, "application/json", "{\"openapi\":\"3.0.0\"}")));
        assert!(!catch_all.matches(&respond(200, "text/html", "<html><title>Login</title>please sign in</html>")));
        assert!(!catch_all.matches(&respond(404, "text/html", "<html><title>My App</title>nonce 8 id=1</html>")));
    }
}
