//! How much one client may ask for.

use std::io::Read as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::fetch::aside;
use super::{Area, Op};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, Farm, Raw, error, json, set};
use crate::sample::farm::mutants::{Mutant, at, mutant};

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    at(mutant("page-unlimited", "S-PAGE", "GET /ledgers", "GET /rosters", "a page may have any size"), "query limit"),
    at(mutant("exponential-address", "S-REDOS", "POST /subscribers", "POST /correspondents", "an address is matched in exponentially many ways"), "body /email"),
    at(mutant("exponential-pattern", "S-REDOS", "POST /codenames", "POST /slugs", "so is the documented pattern"), "body /code"),
    mutant("no-body-limit", "S-BODY", "*", "POST /subscribers", "bodies may have any size"),
    mutant("gzip-bomb", "S-ZIP", "POST /bundles", "POST /packets", "compressed bodies are unpacked without limit"),
    mutant("no-rate-limit", "S-RATE", "*", "GET /rosters", "nobody counts requests"),
];

pub(super) const AREA: Area = Area { name: "limits", mutants: MUTANTS, operations, finish: None };

/// Items of every list.
const COUNT: i64 = 23;
/// Of a page.
const MOST: i64 = 5;
/// What a compressed body may become.
const MAX_UNPACKED: u64 = 1 << 20;
/// And when nobody limits it; the farm has to live.
const MAX_BOMB: u64 = 32 << 20;
/// A matcher gives up then, so that the farm lives through it.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// What takes long whatever comes.
const STEADY: Duration = Duration::from_millis(6);

fn operations() -> Vec<Op> {
    [pages(), patterns(), bodies()].into_iter().flatten().collect()
}

/// A limit for every client, unless nobody counts.
pub(super) fn announce(farm: &Farm, _: &str, _: &Raw, response: &mut Response) {
    if !farm.on.has("no-rate-limit") {
        set(response, "ratelimit-limit", "100000");
        set(response, "ratelimit-remaining", "99999");
    }
}

/// Bodies of two operations may come compressed.
pub(in crate::sample::farm) fn unpacked(
    farm: &Farm,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Bytes, Box<Response>> {
    let is_packed = headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
    let most = match path {
        "/bundles" if farm.on.has("gzip-bomb") => MAX_BOMB,
        "/bundles" | "/packets" => MAX_UNPACKED,
        _ => return Ok(body),
    };
    if !is_packed {
        return Ok(body);
    }
    let mut bytes = Vec::new();
    match GzDecoder::new(body.as_ref()).take(most + 1).read_to_end(&mut bytes) {
        Ok(length) if length as u64 <= most => Ok(bytes.into()),
        Ok(_) => Err(Box::new(error(413, "the body is too large"))),
        Err(_) => Err(Box::new(error(400, "the body cannot be unpacked"))),
    }
}

fn pages() -> Vec<Op> {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": 3});
    let item = object(&["id"], json!({"id": {"type": "integer"}}));
    let items = object(&["items"], json!({"items": {"type": "array", "items": item}}));
    let list =
        move |path: &str| Op::get(path).query("limit", limit.clone()).gives("200", items.clone()).gives_nothing("422");
    let page = |count: i64| {
        let items: Vec<Value> =
            (1..=COUNT).take(usize::try_from(count).unwrap_or(0)).map(|id| json!({"id": id})).collect();
        json(200, json!({"items": items}))
    };
    vec![
        list("/ledgers")
            .lapse("page-unlimited", "query limit", "maximum")
            .answer(move |call| page(call.integer("limit").unwrap_or(3))),
        // More than the maximum is asked for, and the maximum is what there is.
        list("/rosters")
            .lax(None, "query limit", "maximum")
            .answer(move |call| page(call.integer("limit").unwrap_or(3).min(MOST))),
    ]
}

fn patterns() -> Vec<Op> {
    let done = || object(&["done"], json!({"done": {"type": "boolean"}}));
    let takes = |path: &str, member: &str, schema: Value| {
        Op::post(path).body(object(&[member], json!({member: schema}))).gives("200", done()).gives_nothing("422")
    };
    let address = || json!({"type": "string", "format": "email", "minLength": 3, "maxLength": 70});
    let coded = |pattern: &str| json!({"type": "string", "pattern": pattern, "minLength": 1, "maxLength": 50});
    let addressed = |path: &str| takes(path, "email", address()).lax(None, "body /email", "format");
    let answer = |fits: bool| if fits { json(200, json!({"done": true})) } else { error(422, "that does not match") };
    let linear = |call: &Call<'_>| is_address(call.body["email"].as_str().unwrap_or_default());
    vec![
        addressed("/subscribers").answer(move |call| {
            let email = call.body["email"].as_str().unwrap_or_default();
            let at_sign = |rest: &[u8]| rest.first() == Some(&b'@');
            if call.on("exponential-address") {
                Matcher::matches(email, &at_sign);
            }
            answer(is_address(email))
        }),
        addressed("/correspondents").answer(move |call| answer(linear(call))),
        // Slow, and always the same.
        addressed("/petitioners").answer(move |call| {
            aside(|| sleep(STEADY));
            answer(linear(call))
        }),
        takes("/codenames", "code", coded("^([a-z]+)+$")).lapse("exponential-pattern", "body /code", "pattern").answer(
            move |call| {
                let code = call.body["code"].as_str().unwrap_or_default();
                answer(Matcher::matches(code, &|rest: &[u8]| rest.is_empty()))
            },
        ),
        takes("/slugs", "code", coded("^[a-z]+(-[a-z]+)*$")).answer(move |_| answer(true)),
    ]
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !text.contains('!'))
}

/// Matches `([a-z]+)+` and what must follow, as a matcher does that tries every way.
struct Matcher {
    end: Instant,
    steps: u32,
    gave_up: bool,
}

impl Matcher {
    fn matches(text: &str, end: &dyn Fn(&[u8]) -> bool) -> bool {
        let mut matcher = Self { end: Instant::now() + PATIENCE, steps: 0, gave_up: false };
        aside(|| matcher.words(text.as_bytes(), end))
    }

    fn words(&mut self, text: &[u8], end: &dyn Fn(&[u8]) -> bool) -> bool {
        self.steps = self.steps.wrapping_add(1);
        self.gave_up |= self.steps.is_multiple_of(4_096) && Instant::now() > self.end;
        if self.gave_up {
            return false;
        }
        let run = text.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        // The longest word first; then what is left is more words, or the end.
        (1..=run).rev().any(|length| self.words(&text[length..], end) || end(&text[length..]))
    }
}

fn bodies() -> Vec<Op> {
    let length = || object(&["length"], json!({"length": {"type": "integer"}}));
    let text = |path: &str, schema: Value| {
        let op = Op::post(path).body(object(&["text"], json!({"text": schema}))).gives("200", length());
        op.gives_nothing("413")
            .gives_nothing("422")
            .answer(|call| json(200, json!({"length": call.body["text"].as_str().map_or(0, str::len)})))
    };
    let short = || json!({"type": "string", "minLength": 1, "maxLength": 200});
    vec![
        text("/compositions", json!({"type": "string", "minLength": 1})),
        text("/bundles", short()),
        text("/packets", short()),
    ]
}
