//! Users and their notes, as a schema.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Who asks, and whether everybody may read every note.
pub(super) struct Viewer {
    pub(super) name: Option<String>,
    pub(super) reads_all: bool,
}

/// How an endpoint is set up.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) suggestions: bool,
    pub(super) depth: bool,
    pub(super) complexity: bool,
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
