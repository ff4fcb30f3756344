//! What the shop sells.

use axum::Json;
use axum::extract::{FromRequest, Path, Query, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Books, authors and publishers have the ids 1 to 20.
const COUNT: u32 = 20;

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Genre {
    Novel,
    Science,
    Poetry,
}

impl Genre {
    fn of(id: u32) -> Self {
        match id % 3 {
            0 => Self::Novel,
            1 => Self::Science,
            _ => Self::Poetry,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Novel => "novel",
            Self::Science => "science",
            Self::Poetry => "poetry",
        }
    }
}

fn book(id: u32) -> Value {
    // A subtitle that is null is documented as nullable: right, although it looks like a gap.
    let subtitle = id.is_multiple_of(2).then(|| format!("Volume {id}"));
    json!({"id": id, "title": format!("Book {id}"), "genre": Genre::of(id).name(), "subtitle": subtitle, "published": "2021-03-04"})
}

pub(super) fn invalid(why: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": why}))).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "no such thing"}))).into_response()
}

fn found(id: u32, body: impl FnOnce() -> Response) -> Response {
    if (1..=COUNT).contains(&id) { body() } else { missing() }
}

/// A body that must be a JSON object: by itself serde reads a struct from an array, too.
pub(super) struct Object<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Object<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let Json(members) =
            Json::<Map<String, Value>>::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        serde_json::from_value(Value::Object(members)).map(Self).map_err(|_| invalid("a member is missing or wrong"))
    }
}

#[derive(Deserialize)]
pub(super) struct ListBooks {
    limit: Option<u32>,
    genre: Option<Genre>,
}

/// Planted: whoever added the filter forgot the header.
pub(super) async fn list_books(Query(query): Query<ListBooks>) -> Response {
    let limit = query.limit.unwrap_or(10);
    if !(1..=50).contains(&limit) {
        return invalid("limit must be between 1 and 50");
    }
    let wanted = |id: &u32| query.genre.is_none_or(|genre| Genre::of(*id) == genre);
    let books: Vec<Value> = (1..=COUNT).filter(wanted).take(usize::try_from(limit).unwrap_or(50)).map(book).collect();
    match query.genre {
        Some(_) => Json(books).into_response(),
        None => ([("X-Total-Count", COUNT.to_string())], Json(books)).into_response(),
    }
}

pub(super) async fn get_book(Path(id): Path<u32>) -> Response {
    found(id, || Json(book(id)).into_response())
}

/// Planted: the amount is a string.
pub(super) async fn get_price(Path(id): Path<u32>) -> Response {
    found(id, || Json(json!({"amount": format!("{id}.90"), "currency": "EUR"})).into_response())
}

pub(super) async fn get_stock(Path(id): Path<u32>) -> Response {
    found(id, || Json(json!({"available": id % 7})).into_response())
}

/// Planted: a route of its own that nobody kept up.
pub(super) async fn head_stock() -> StatusCode {
    StatusCode::NOT_FOUND
}

#[derive(Deserialize)]
pub(super) struct NewReview {
    rating: i64,
    edition: String,
    #[serde(default)]
    text: String,
}

/// Planted: neither the range of the rating nor the edition is checked; the length of the text is.
pub(super) async fn add_review(Path(id): Path<u32>, Object(review): Object<NewReview>) -> Response {
    if review.text.chars().count() > 200 {
        return invalid("text is too long");
    }
    let review_id = review.rating.unsigned_abs() % 1_000 + review.edition.len() as u64;
    found(id, || created(&format!("/books/{id}/reviews/{review_id}"), review_id))
}

pub(super) fn created(location: &str, id: u64) -> Response {
    (StatusCode::CREATED, [(header::LOCATION, location.to_owned())], Json(json!({"id": id}))).into_response()
}

#[derive(Deserialize)]
pub(super) struct Search {
    q: String,
    per_page: Option<u32>,
}

/// Planted: the number of pages is computed by a division that nobody guards.
pub(super) async fn search(Query(query): Query<Search>) -> Response {
    let per_page = query.per_page.unwrap_or(10);
    if !(1..=40).contains(&query.q.chars().count()) || per_page > 100 {
        return invalid("q must have 1 to 40 characters and per_page be at most 100");
    }
    let hits: Vec<u32> = (1..=COUNT).filter(|id| format!("Book {id}").contains(&query.q)).collect();
    let count = u32::try_from(hits.len()).unwrap_or(COUNT);
    match count.checked_add(per_page).and_then(|sum| sum.checked_div(per_page)) {
        Some(pages) => {
            let page: Vec<Value> = hits.into_iter().take(usize::try_from(per_page).unwrap_or(100)).map(book).collect();
            Json(json!({"pages": pages, "hits": page})).into_response()
        }
        None => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "INTERNAL"}))).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Export {
    format: String,
}

/// Planted: the error of the template engine is passed on as it is.
pub(super) async fn export(Query(query): Query<Export>) -> Response {
    if query.format == "csv" {
        return ([(header::CONTENT_TYPE, "text/csv")], "id,title\n1,Book 1\n").into_response();
    }
    let trace = "Traceback (most recent call last):\n  File \"/srv/bookshop/api/export.py\", line 41, in export\n    \
                 writer = WRITERS[fmt]\n  File \"/srv/bookshop/api/writers.py\", line 12, in __getitem__\n    \
                 raise KeyError(fmt)\nKeyError: 'unknown format'\n";
    (StatusCode::BAD_REQUEST, trace).into_response()
}

/// Planted: the stored record is sent as a whole.
pub(super) async fn get_author(Path(id): Path<u32>) -> Response {
    let hash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
    let author = json!({"id": id, "name": format!("Author {id}"), "account": {"login": "a", "password_hash": hash}});
    found(id, || Json(author).into_response())
}

/// An undocumented property too, but a masked one. Planted: the status, which a proxy once brought in.
pub(super) async fn get_publisher(Path(id): Path<u32>) -> Response {
    let publisher = json!({"id": id, "name": format!("Publisher {id}"), "password": "********"});
    found(id, || (StatusCode::NON_AUTHORITATIVE_INFORMATION, Json(publisher)).into_response())
}
