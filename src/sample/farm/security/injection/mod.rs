//! Text that becomes code. Where a defect is on, text of the request is really put into a statement, and that is really
//! evaluated; nothing ever leaves the farm's memory.

mod find;
mod query;
mod reply;
pub(super) mod statement;

use super::{Area, Op};
use crate::sample::farm::Mutant;
use crate::sample::farm::mutants::{at, mutant};

pub(super) const AREA: Area = Area { name: "injection", mutants: MUTANTS, operations, finish: None };

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    at(mutant("sql-text", "S-SQLI-B", "GET /novels/{title}", "GET /romances/{title}", "a title becomes part of an SQL text"), "path title"),
    at(mutant("sql-number", "S-SQLI-B", "GET /receipts", "GET /bills", "a number becomes part of an SQL text"), "query customer"),
    at(mutant("sql-search", "S-SQLI-B", "GET /digests", "GET /almanacs", "a search becomes part of a LIKE"), "query q"),
    at(mutant("sql-sort", "S-SQLI-B", "GET /cashbooks", "GET /registers", "a name becomes part of an ORDER BY"), "query sort"),
    at(mutant("sql-login", "S-SQLI-B", "POST /kiosks/open", "POST /booths/open", "a code in a body becomes part of an SQL text"), "body /code"),
    at(mutant("sql-message", "S-SQLI-E", "GET /parcels/{code}", "GET /packets/{code}", "the database complains about a quote"), "path code"),
    at(mutant("sql-stored", "S-SQLI-2", "POST /annotations", "POST /remarks", "an expression is calculated and stored"), "body /text"),
    at(mutant("sql-wait", "S-SQLI-T", "GET /forecasts", "GET /climates", "the database waits as it is told"), "query city"),
    at(mutant("operator-in-body", "S-NOSQL", "POST /members/search", "POST /guests/search", "operators in a body are run"), "body /email"),
    at(mutant("operator-in-query", "S-NOSQL", "GET /pupils", "GET /trainees", "operators in brackets are run"), "query name"),
    at(mutant("script-in-query", "S-NOSQL", "GET /surveys", "GET /censuses", "a value becomes part of a script"), "query topic"),
    at(mutant("filter-of-directory", "S-LDAP", "GET /staff", "GET /crew", "a name becomes part of an LDAP filter"), "query uid"),
    at(mutant("path-into-xml", "S-XPATH", "GET /inventory", "GET /stockroom", "a code becomes part of an XPath"), "query sku"),
    at(mutant("shell", "S-CMD", "GET /lookups", "GET /resolutions", "a host becomes part of a command line"), "query host"),
    at(mutant("template", "S-SSTI", "GET /salutations", "GET /welcomes", "a name becomes part of a template"), "query name"),
    at(mutant("template-stored", "S-SSTI", "POST /mottos", "POST /maxims", "a text that is stored is evaluated when it is read"), "body /text"),
    at(mutant("way-out", "S-PATH", "GET /manuals", "GET /guidebooks", "a name leads out of the folder"), "query file"),
    at(mutant("header-line", "S-CRLF", "GET /locales", "GET /dialects", "a line break ends a header"), "query lang"),
    at(mutant("any-host", "S-REDIR", "GET /exits", "GET /passages", "a redirect to any host"), "query to"),
    at(mutant("prefix-of-host", "S-REDIR", "GET /gates", "GET /doors", "a redirect to a host that begins right"), "query next"),
    at(mutant("tag-in-page", "S-XSS", "GET /banners", "GET /placards", "a text stands in a page as it was sent"), "query text"),
    mutant("prototype", "S-PROTO", "POST /preferences", "POST /presets", "a member of one body is inherited by all objects"),
];

fn operations() -> Vec<Op> {
    [query::operations(), find::operations(), reply::operations()].into_iter().flatten().collect()
}
