//! What introspection tells, cut to what the checks need.

use std::collections::BTreeMap;

use serde_json::Value;

/// Asks for it. Its depth is 9, which most limits let pass.
pub(super) const INTROSPECTION: &str = "{__schema{queryType{name} mutationType{name} types{kind name \
enumValues{name} \
inputFields{name defaultValue type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}} \
fields{name args{name defaultValue type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}} \
type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}}}}}";

const MAX_TYPES: usize = 2_000;
const MAX_FIELDS: usize = 300;
const MAX_ARGUMENTS: usize = 50;

/// The types of an endpoint.
pub(super) struct Schema {
    pub(super) query: String,
    pub(super) mutation: Option<String>,
    types: BTreeMap<String, Type>,
}

#[derive(Default)]
pub(super) struct Type {
    pub(super) kind: String,
    pub(super) fields: Vec<Field>,
    pub(super) inputs: Vec<Argument>,
    pub(super) members: Vec<String>,
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) of: Of,
}

impl Field {
    /// Can be asked for without arguments.
    pub(super) fn is_plain(&self) -> bool {
        self.arguments.iter().all(|argument| !argument.required)
    }
}

pub(super) struct Argument {
    pub(super) name: String,
    pub(super) of: Of,
    pub(super) required: bool,
}

/// A type without its wrappings.
pub(super) struct Of {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) list: bool,
}

impl Of {
    pub(super) fn is_leaf(&self) -> bool {
        matches!(self.kind.as_str(), "SCALAR" | "ENUM")
    }
}

impl Schema {
    /// Of an answer to [`INTROSPECTION`].
    pub(super) fn read(json: &Value) -> Option<Self> {
        let schema = json.pointer("/data/__schema")?;
        let query = text(schema.pointer("/queryType/name")?)?;
        let mutation = schema.pointer("/mutationType/name").and_then(text);
        let types = schema.get("types")?.as_array()?.iter().take(MAX_TYPES);
        let types: BTreeMap<_, _> = types.filter_map(|one| Some((text(one.get("name")?)?, kind(one)?))).collect();
        types.contains_key(&query).then_some(Self { query, mutation, types })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Type> {
        self.types.get(name)
    }

    /// Fields of the type; none for what is no type.
    pub(super) fn fields(&self, name: &str) -> &[Field] {
        self.types.get(name).map_or(&[], |found| &found.fields)
    }

    /// Fields of the query type.
    pub(super) fn queries(&self) -> &[Field] {
        self.fields(&self.query)
    }
}

fn kind(json: &Value) -> Option<Type> {
    let list = |name: &str| json.get(name).and_then(Value::as_array).into_iter().flatten().take(MAX_FIELDS);
    let field = |field: &Value| {
        let arguments = field.get("args").and_then(Value::as_array).into_iter().flatten().take(MAX_ARGUMENTS);
        Some(Field {
            name: text(field.get("name")?)?,
            arguments: arguments.filter_map(argument).collect(),
            of: unwrapped(field.get("type")?)?.0,
        })
    };
    Some(Type {
        kind: text(json.get("kind")?)?,
        fields: list("fields").filter_map(field).collect(),
        inputs: list("inputFields").filter_map(argument).collect(),
        members: list("enumValues").filter_map(|one| text(one.get("name")?)).collect(),
    })
}

fn argument(json: &Value) -> Option<Argument> {
    let (of, must) = unwrapped(json.get("type")?)?;
    let default = json.get("defaultValue").is_some_and(|value| !value.is_null());
    Some(Argument { name: text(json.get("name")?)?, of, required: must && !default })
}

/// The named type, and whether the outermost wrapping forbids null.
fn unwrapped(json: &Value) -> Option<(Of, bool)> {
    let must = json.get("kind")?.as_str()? == "NON_NULL";
    let (mut here, mut list) = (json, false);
    for _ in 0..4 {
        match here.get("kind")?.as_str()? {
            "NON_NULL" => {}
            "LIST" => list = true,
            kind => return Some((Of { name: text(here.get("name")?)?, kind: kind.to_owned(), list }, must)),
        }
        here = here.get("ofType")?;
    }
    None
}

/// A name of GraphQL: what stands in queries is never anything else.
fn text(json: &Value) -> Option<String> {
    let name = json.as_str()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.len() <= 100 && name.bytes().all(fits)).then(|| name.to_owned())
}
