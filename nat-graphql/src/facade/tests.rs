//! The schema as text.

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");

#[test]
#[expect(clippy::disallowed_methods, reason = "`UPDATE_SCHEMA=1` rewrites the committed schema")]
fn sdl_is_the_committed_one() {
    let text = super::sdl();
    if std::env::var("UPDATE_SCHEMA").is_ok() {
        std::fs::write(COMMITTED, &text).expect("the schema to be written");
    }
    let committed = std::fs::read_to_string(COMMITTED).expect("nat-graphql/schema.graphql");
    assert!(committed == text, "the schema has changed: run with UPDATE_SCHEMA=1 and look at the difference");
}
