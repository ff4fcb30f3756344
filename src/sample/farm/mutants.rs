//! The table: every defect, and its look-alike.

/// A defect that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// For example `use-after-delete`.
    pub id: &'static str,
    /// The check that finds it.
    pub check: &'static str,
    /// As in findings: `GET /shares`, or `*`.
    pub endpoint: &'static str,
    /// Begin of the location of the finding; empty: any.
    pub at: &'static str,
    /// The operation that looks alike and is right.
    pub twin: &'static str,
    /// What is wrong, in a few words.
    pub what: &'static str,
}

pub(super) const fn mutant(
    id: &'static str,
    check: &'static str,
    endpoint: &'static str,
    twin: &'static str,
    what: &'static str,
) -> Mutant {
    Mutant { id, check, endpoint, at: "", twin, what }
}

pub(super) const fn at(mut mutant: Mutant, at: &'static str) -> Mutant {
    mutant.at = at;
    mutant
}

/// Every defect that a functional scan finds, in the order of the checks.
#[rustfmt::skip]
pub const FUNCTIONAL: &[Mutant] = &[
    mutant("divide-by-zero", "F001", "GET /shares", "GET /portions", "parts=0 divides by zero"),
    mutant("null-crash", "F001", "POST /labels", "POST /tags", "a documented null crashes"),
    mutant("long-text-crash", "F001", "POST /slogans", "POST /proverbs", "a text that is too long crashes"),
    mutant("unknown-kind-crash", "F001", "GET /reports", "GET /mirrors", "an unknown kind ends in a stack trace"),
    mutant("sort-and-expand-crash", "F001", "GET /catalogues", "GET /brochures", "two parameters together crash"),
    mutant("three-flags-crash", "F001", "GET /printouts", "GET /handouts", "three flags together crash"),
    mutant("header-and-query-crash", "F001", "GET /permits", "GET /licences", "a header and a parameter together crash"),
    mutant("equal-items-crash", "F001", "POST /polls/count", "POST /ballots/count", "three equal items crash"),
    mutant("branch-option-crash", "F001", "POST /sketches/check", "POST /drawings/check", "an option of one alternative crashes"),
    mutant("cut-body", "F002", "GET /exports/{id}", "GET /archives/{id}", "the body ends in the middle"),
    mutant("undocumented-status", "F010", "GET /queues/{id}", "GET /lanes/{id}", "202 is not documented"),
    at(mutant("undocumented-refusal", "F010", "*", "GET /bits", "400 is not documented (GET /rations)"), "response 400"),
    mutant("text-for-json", "F011", "GET /greetings", "GET /salutes", "text/plain instead of JSON"),
    mutant("broken-json", "F012", "GET /journals", "GET /diaries", "a comma too much"),
    mutant("string-for-number", "F013", "GET /prices/{id}", "GET /fees/{id}", "the amount is a string"),
    mutant("missing-member", "F013", "GET /addresses/{id}", "GET /places/{id}", "the city is missing"),
    mutant("missing-header", "F014", "GET /counts", "GET /sums", "X-Total-Count is missing"),
    mutant("unknown-variant", "F015", "GET /shapes/{id}", "GET /figures/{id}", "a discriminator that no schema belongs to"),
    mutant("dead-link", "F016", "POST /tickets", "POST /passes", "a link points to a member that is not there"),
    mutant("enum-ignored", "F020", "POST /paints", "GET /words", "any colour is taken"),
    mutant("maximum-ignored", "F020", "GET /slices", "GET /bits", "any limit is taken"),
    mutant("type-ignored", "F020", "POST /weights", "POST /doses", "grams may be anything"),
    mutant("extra-member-taken", "F020", "POST /closed", "POST /open", "members beyond the schema are taken"),
    mutant("too-long-taken", "F020", "POST /titles", "POST /plain-texts", "a title may have any length"),
    mutant("format-ignored", "F020", "POST /birthdays", "POST /secrets", "any text is a date"),
    mutant("pattern-ignored", "F020", "POST /plates", "POST /ranks", "any text is a number plate"),
    mutant("duplicates-taken", "F020", "POST /picks", "POST /draws", "items may repeat"),
    mutant("hidden-constraint", "F021", "POST /vouchers/check", "POST /login", "codes must begin with NAT-, which nobody wrote down"),
    mutant("required-member-ignored", "F022", "POST /orders", "POST /bookings", "an order without e-mail address is taken"),
    mutant("required-query-ignored", "F022", "GET /quotes", "GET /rates", "no symbol is fine, too"),
    mutant("open-method", "F023", "PATCH /banners", "GET /flags/{id}", "every method is answered"),
    mutant("allow-drift", "F024", "GET /ramps", "GET /bridges", "OPTIONS allows DELETE"),
    mutant("any-media-type", "F025", "POST /forms", "POST /briefs", "every Content-Type is taken for JSON"),
    mutant("swallowed-syntax-error", "F026", "POST /feedback", "POST /comments", "a body that is no JSON is taken"),
    mutant("emoji-dropped", "F027", "POST /nicknames", "POST /handles", "what is not ASCII gets lost"),
    mutant("rounded-number", "F028", "POST /measures", "POST /samples", "numbers lose their digits"),
    mutant("large-value-crash", "F029", "POST /essays", "POST /papers", "a large text crashes"),
    mutant("rejected-example", "F030", "POST /recipes/check", "POST /menus/check", "the example of the document is rejected"),
    mutant("default-drift", "F031", "GET /sorted", "GET /ordered", "without order the order is another than the default"),
    mutant("use-after-delete", "F040", "GET /notes/{note_id}", "GET /memos/{memo_id}", "what was deleted is still there"),
    mutant("name-after-delete", "F040", "GET /aliases/{name}", "GET /places-by-name/{name}", "the name is still there"),
    mutant("lost-create", "F041", "POST /drafts", "POST /parcels", "what was created is not there"),
    mutant("dropped-member", "F042", "POST /contacts", "POST /members", "a member that was sent is not stored"),
    mutant("leaky-create", "F043", "POST /coupons", "POST /vouchers", "a refused create is stored"),
    mutant("leaky-put", "F044", "PUT /profiles/{profile_id}", "PUT /settings/{setting_id}", "a refused PUT changes the state"),
    mutant("put-merges", "F045", "PUT /recipes/{recipe_id}", "PUT /menus/{menu_id}", "what a PUT leaves out stays"),
    mutant("null-ignored", "F046", "PATCH /cards/{card_id}", "PATCH /badges/{badge_id}", "null removes nothing"),
    mutant("second-delete-crash", "F047", "DELETE /stamps/{stamp_id}", "DELETE /seals/{seal_id}", "the second DELETE crashes"),
    mutant("get-changes", "F048", "GET /letters/{letter_id}/preview", "GET /mails/{mail_id}/preview", "a preview changes the note"),
    mutant("wrong-parent", "F049", "GET /teams/{team_id}/players/{player_id}", "GET /clubs/{club_id}/fans/{fan_id}", "any team shows every player"),
    mutant("key-ignored", "F050", "POST /payments", "POST /charges", "the same Idempotency-Key pays twice"),
    mutant("stale-match", "F051", "PUT /sheets/{sheet_id}", "PUT /slides/{slide_id}", "a stale If-Match is accepted"),
    mutant("page-repeats", "F060", "GET /songs", "GET /tunes", "pages overlap"),
    mutant("page-omits", "F060", "GET /films", "GET /movies", "an item between pages is left out"),
    mutant("limit-ignored", "F060", "GET /plays", "GET /shows", "the limit does not matter"),
    mutant("endless-pages", "F060", "GET /verses", "GET /stanzas", "there is always a next page"),
    mutant("broken-next", "F060", "GET /operas", "GET /ballets", "next leads nowhere"),
    mutant("leaky-filter", "F061", "GET /cats", "GET /dogs", "the filter lets others through"),
    mutant("wrong-sort", "F061", "GET /cars", "GET /bikes", "the descending order is not one"),
    mutant("head-differs", "F062", "GET /stocks/{id}", "GET /racks/{id}", "HEAD answers 404"),
    mutant("body-in-205", "F063", "POST /resets", "POST /clears", "205 has a body"),
    at(mutant("no-challenge", "F064", "*", "POST /codes/check", "401 without WWW-Authenticate (POST /pins/check)"), "header WWW-Authenticate"),
    at(mutant("no-allow", "F065", "*", "GET /posters", "405 without Allow (GET /signs)"), "response 405"),
    at(mutant("unasked-range", "F065", "*", "GET /volumes/{id}", "206 that nobody asked for (GET /chapters/{id})"), "response 206"),
    mutant("no-location", "F066", "POST /boxes", "POST /crates", "201 does not say what was created"),
    at(mutant("bad-date", "F067", "*", "GET /notices", "Last-Modified is no date (GET /bulletins)"), "header Last-Modified"),
    mutant("wrong-charset", "F068", "GET /poems", "GET /ballads", "the bytes are not of the charset"),
    mutant("unwanted-gzip", "F068", "GET /maps", "GET /charts", "gzip for who does not take it"),
    mutant("open-door", "F080", "GET /invoices", "GET /offers", "credentials are not checked"),
    mutant("401-for-403", "F081", "GET /audits", "GET /controls", "a user without the role is asked who they are"),
    mutant("ghost-operation", "F082", "GET /almanac", "GET /ghosts/{id}", "a documented operation does not exist"),
];
