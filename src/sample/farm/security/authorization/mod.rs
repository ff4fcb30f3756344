//! Objects and functions of others.
//!
//! Everything belongs to whoever made it: others get 404, and lists show one's own. Each kind of thing has one flaw that
//! can be switched on, or one habit that looks like a flaw and is none.

mod functions;
mod members;
mod things;

use super::super::mutants::{at, mutant};
use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "authorization", mutants: MUTANTS, operations, finish: None };

#[rustfmt::skip]
const MUTANTS: &[super::Mutant] = &[
    mutant("foreign-read", "S-BOLA-R", "GET /diaries/{diary_id}", "GET /bulletins/{bulletin_id}", "any user reads a diary"),
    mutant("foreign-secret", "S-BOLA-R", "GET /manuscripts/{title}", "GET /gazettes/{title}", "any user reads the secret of a manuscript"),
    mutant("foreign-list", "S-BOLA-R", "GET /expenses", "GET /catalogues", "the list shows what others spent"),
    mutant("foreign-put", "S-BOLA-W", "PUT /recordings/{recording_id}", "PUT /sketchbooks/{sketchbook_id}", "any user replaces a recording"),
    mutant("foreign-patch", "S-BOLA-W", "PATCH /essays/{essay_id}", "PATCH /wikis/{wiki_id}", "any user changes an essay"),
    mutant("foreign-delete", "S-BOLA-W", "DELETE /albums/{album_id}", "DELETE /folders/{folder_id}", "any user removes an album"),
    mutant("foreign-close", "S-BOLA-W", "POST /disputes/{dispute_id}/close", "POST /requests/{request_id}/close", "any user closes a dispute"),
    mutant("foreign-password", "S-BOLA-W", "PUT /accounts/{name}/password", "PUT /logins/{name}/password", "any user sets the password of another"),
    at(mutant("foreign-reference", "S-BOLA-N", "POST /labels", "POST /stickers", "a label shows the shipment of another"), "body /shipment_id"),
    at(mutant("foreign-query", "S-BOLA-N", "GET /trackings", "GET /routings", "tracking shows the shipment of another"), "query shipment_id"),
    at(mutant("guessable-ids", "S-BOLA-ID", "*", "POST /diaries", "ids of badges count up"), ""),
    mutant("foreign-parent", "S-HIER", "GET /households/{household_id}/chores/{chore_id}", "GET /flats/{flat_id}/duties/{duty_id}", "any household shows every chore"),
    mutant("existence-told", "S-EXIST", "GET /rebates/{title}", "GET /refunds/{title}", "403 for what others have"),
    mutant("user-reads-audits", "S-BFLA", "GET /admin/audits", "GET /admin/figures", "any user reads the audits"),
    mutant("user-removes-banner", "S-BFLA", "DELETE /admin/banners/{banner_id}", "DELETE /admin/slogans/{slogan_id}", "any user removes a banner"),
    mutant("hidden-delete", "S-BFLA-M", "DELETE /pamphlets/{pamphlet_id}", "DELETE /leaflets/{leaflet_id}", "a DELETE that the document does not have"),
    mutant("hidden-put", "S-BFLA-M", "PUT /posters/{poster_id}", "PUT /leaflets/{leaflet_id}", "a PUT that the document does not have"),
    at(mutant("mass-role", "S-MASS", "POST /memberships", "POST /subscriptions", "a new member may have any role"), "body /role"),
    at(mutant("mass-owner", "S-MASS", "POST /petitions", "POST /jottings", "a petition may be anybody's"), "body /owner_id"),
    at(mutant("mass-balance", "S-MASS", "PATCH /wallets/{wallet_id}", "PATCH /purses/{purse_id}", "a wallet may be filled by hand"), "body /balance"),
    at(mutant("mass-profile", "S-MASS", "PATCH /profile", "PATCH /appearance", "users verify themselves"), "body /verified"),
    at(mutant("mass-escalation", "S-MASS-ESC", "POST /register", "POST /invitations", "who signs up as an administrator is one"), "body /role"),
];

fn operations() -> Vec<Op> {
    [things::operations(), members::operations(), functions::operations()].into_iter().flatten().collect()
}
