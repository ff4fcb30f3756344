//! Users and their notes, as a schema.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sample::farm::security::injection::statement::{Dialect, Row as Columns, select};
use async_graphql::{Context, EmptySubscription, ID, Object, Result, Schema};

/// The oldest go when more come.
const MAX_NOTES: usize = 500;

#[derive(Clone)]
struct Row {
    id: u64,
    owner: String,
    text: String,
}

/// What is stored, for all endpoints.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<(u64, Vec<Row>)>>);

impl World {
    fn rows(&self) -> MutexGuard<'_, (u64, Vec<Row>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks, and what everybody may.
pub(super) struct Viewer {
    pub(super) name: Option<String>,
    pub(super) is_admin: bool,
    /// Reads every note.
    pub(super) reads_all: bool,
    /// Gets the report of administrators.
    pub(super) reports: bool,
    /// Removes notes as administrators do.
    pub(super) removes: bool,
    /// The title of a book is put into a statement.
    pub(super) pasted: bool,
    /// The name of an author is, too, and what the database says about it is told.
    pub(super) complaining: bool,
}

/// How an endpoint is set up.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) suggestions: bool,
    pub(super) depth: bool,
    pub(super) complexity: bool,
    pub(super) directives: bool,
}

pub(super) type Notes = Schema<Query, Mutation, EmptySubscription>;

pub(super) fn schema(world: &World, limits: Limits) -> Notes {
    let mut schema = Schema::build(Query, Mutation, EmptySubscription).data(world.clone());
    if !limits.suggestions {
        schema = schema.disable_suggestions();
    }
    if limits.depth {
        schema = schema.limit_depth(10);
    }
    if limits.complexity {
        schema = schema.limit_complexity(80);
    }
    if limits.directives {
        schema = schema.limit_directives(20);
    }
    schema.finish()
}

pub(super) struct Query;

#[Object(name = "Query")]
impl Query {
    /// Who is asking.
    async fn viewer(&self, context: &Context<'_>) -> Result<Option<User>> {
        Ok(context.data::<Viewer>()?.name.clone().map(User))
    }

    /// A note of the viewer.
    async fn note(&self, context: &Context<'_>, id: ID) -> Result<Option<Note>> {
        let viewer = context.data::<Viewer>()?;
        let rows = context.data::<World>()?.rows();
        let row = rows.1.iter().find(|row| row.id.to_string() == *id);
        let may = |row: &&Row| viewer.name.as_ref().is_some_and(|name| viewer.reads_all || *name == row.owner);
        Ok(row.filter(may).cloned().map(Note))
    }

    /// Books of this title.
    async fn books(&self, context: &Context<'_>, title: String) -> Result<Vec<Book>> {
        let found = found(("title", &title), context.data::<Viewer>()?.pasted);
        // The words of the database are for the log.
        found.map_err(|_| "the books cannot be read".into())
    }

    /// Books of an author.
    async fn author(&self, context: &Context<'_>, name: String) -> Result<Vec<Book>> {
        if context.data::<Viewer>()?.complaining {
            // Only its form is checked: what it finds is asked with a parameter.
            found(("author", &name), true).map_err(|words| format!("SQLSTATE[42000]: {words}"))?;
        }
        Ok(found(("author", &name), false)?)
    }

    /// Whom to ask: for everybody.
    async fn admin_contact(&self) -> Contact {
        Contact
    }

    /// What is set, for administrators.
    async fn admin_settings(&self, context: &Context<'_>) -> Result<Settings> {
        if context.data::<Viewer>()?.is_admin { Ok(Settings) } else { Err("this is for administrators".into()) }
    }

    /// What is stored, for administrators.
    async fn admin_report(&self, context: &Context<'_>) -> Result<Report> {
        let viewer = context.data::<Viewer>()?;
        let may = viewer.is_admin || (viewer.reports && viewer.name.is_some());
        if !may {
            return Err("this is for administrators".into());
        }
        Ok(Report(context.data::<World>()?.rows().1.clone()))
    }
}

pub(super) struct Mutation;

#[Object(name = "Mutation")]
impl Mutation {
    /// Writes a note.
    async fn create_note(&self, context: &Context<'_>, text: String) -> Result<Note> {
        let owner = context.data::<Viewer>()?.name.clone().ok_or("sign in first")?;
        if text.chars().count() > 200 {
            return Err("the text is too long".into());
        }
        let mut rows = context.data::<World>()?.rows();
        rows.0 += 1;
        let row = Row { id: rows.0, owner, text };
        if rows.1.len() >= MAX_NOTES {
            rows.1.remove(0);
        }
        rows.1.push(row.clone());
        Ok(Note(row))
    }

    /// Removes a note, whoever owns it, for administrators.
    async fn admin_remove_note(&self, context: &Context<'_>, id: ID) -> Result<bool> {
        let viewer = context.data::<Viewer>()?;
        let may = viewer.is_admin || (viewer.removes && viewer.name.is_some());
        if !may {
            return Err("this is for administrators".into());
        }
        let mut rows = context.data::<World>()?.rows();
        let before = rows.1.len();
        rows.1.retain(|row| row.id.to_string() != *id);
        Ok(rows.1.len() < before)
    }
}

pub(super) struct User(String);

#[Object(name = "User")]
impl User {
    async fn name(&self) -> &str {
        &self.0
    }

    /// The newest note.
    async fn latest(&self, context: &Context<'_>) -> Result<Option<Note>> {
        let rows = context.data::<World>()?.rows();
        Ok(rows.1.iter().rev().find(|row| row.owner == self.0).cloned().map(Note))
    }

    /// The newest notes.
    async fn notes(&self, context: &Context<'_>) -> Result<Vec<Note>> {
        let rows = context.data::<World>()?.rows();
        Ok(rows.1.iter().rev().filter(|row| row.owner == self.0).take(3).cloned().map(Note).collect())
    }
}

pub(super) struct Note(Row);

#[Object(name = "Note")]
impl Note {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    async fn text(&self) -> &str {
        &self.0.text
    }

    async fn owner(&self) -> User {
        User(self.0.owner.clone())
    }
}

pub(super) struct Contact;

#[Object(name = "Contact")]
impl Contact {
    async fn email(&self) -> &str {
        "root@notes.example"
    }

    async fn room(&self) -> u32 {
        12
    }
}

pub(super) struct Settings;

#[Object(name = "Settings")]
impl Settings {
    async fn language(&self) -> &str {
        "en"
    }

    async fn open(&self) -> bool {
        true
    }
}

pub(super) struct Report(Vec<Row>);

#[Object(name = "Report")]
impl Report {
    async fn notes(&self) -> usize {
        self.0.len()
    }

    async fn writers(&self) -> usize {
        self.0.iter().map(|row| &row.owner).collect::<std::collections::BTreeSet<_>>().len()
    }
}

pub(super) struct Book(&'static str, &'static str);

#[Object(name = "Book")]
impl Book {
    async fn title(&self) -> &str {
        self.0
    }

    async fn author(&self) -> &str {
        self.1
    }
}

const BOOKS: [Columns<'static>; 3] = [
    &[("title", "Dune"), ("author", "Herbert")],
    &[("title", "Emma"), ("author", "Austen")],
    &[("title", "Persuasion"), ("author", "Austen")],
];

/// Books with this value in a column; pasted into a statement, or given beside it.
fn found((column, value): (&str, &str), pasted: bool) -> std::result::Result<Vec<Book>, String> {
    let literal = if pasted { value.to_owned() } else { value.replace('\'', "''") };
    let rows = select(&BOOKS, &format!("{column} = '{literal}'"), Dialect::Sql)?;
    let of = |row: Columns<'static>, name: &str| {
        row.iter().find(|(column, _)| *column == name).map_or("", |(_, value)| value)
    };
    Ok(rows.into_iter().map(|row| Book(of(row, "title"), of(row, "author"))).collect())
}
