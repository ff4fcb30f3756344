//! Which operations belong to the same kind of thing.

use crate::chain::{key, nouns_of_path};
use crate::spec::{Api, Location, Operation};

/// A kind of thing and its operations, by index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource {
    pub(crate) noun: String,
    /// Makes one: a `POST`. A list alone has none.
    pub(crate) create: Option<usize>,
    /// Name of the path parameter that says which one; empty without item operations.
    pub(crate) key: String,
    pub(crate) read: Option<usize>,
    pub(crate) list: Option<usize>,
    pub(crate) put: Option<usize>,
    pub(crate) patch: Option<usize>,
    pub(crate) delete: Option<usize>,
    /// Further `GET`s below the item.
    pub(crate) views: Vec<usize>,
    /// Names of the path parameters of what it lies in.
    pub(crate) parents: Vec<String>,
}

/// Every kind of thing that a `POST` of the API makes, and every list of things that nobody makes.
pub(crate) fn resources(api: &Api) -> Vec<Resource> {
    let creators =
        api.operations.iter().filter(|operation| operation.method == "POST" && !ends_in_parameter(&operation.path));
    let mut all: Vec<Resource> = creators.filter_map(|create| resource(api, create)).collect();
    let known: Vec<usize> = all.iter().filter_map(|resource| resource.list).collect();
    let lists = api.operations.iter().filter(|operation| {
        let query = operation.parameters.iter().any(|parameter| parameter.location == Location::Query);
        operation.method == "GET" && query && !known.contains(&operation.index)
    });
    all.extend(lists.map(|list| Resource {
        noun: nouns_of_path(&list.path).pop().unwrap_or_default(),
        list: Some(list.index),
        ..Resource::default()
    }));
    all
}

fn resource(api: &Api, create: &Operation) -> Option<Resource> {
    let collection = create.path.trim_end_matches('/');
    let direct = items(api, collection);
    let (collection, items) = if direct.is_empty() {
        // `POST /users/register` makes what `GET /users/{name}` reads.
        let (outer, last) = collection.rsplit_once('/')?;
        let makes = ["register", "create", "add", "new", "signup", "sign-up", "sign_up"];
        if !makes.contains(&last.to_ascii_lowercase().as_str()) {
            return listed(api, create);
        }
        (outer, self::items(api, outer))
    } else {
        (collection, direct)
    };
    if items.is_empty() {
        return listed(api, create);
    }
    let find = |method: &str| items.iter().find(|item| item.method == method).map(|item| item.index);
    let template = items.first()?.path.trim_end_matches('/');
    let views = api
        .operations
        .iter()
        .filter(|operation| operation.method == "GET")
        .filter(|operation| {
            operation.path.strip_prefix(template).is_some_and(|rest| rest.starts_with('/') && !rest.contains('{'))
        })
        .map(|operation| operation.index)
        .collect();
    Some(Resource {
        noun: nouns_of_path(collection).pop().unwrap_or_else(|| key(collection)),
        create: Some(create.index),
        key: last_parameter(template)?.to_owned(),
        read: find("GET"),
        list: on(api, "GET", collection),
        put: find("PUT"),
        patch: find("PATCH"),
        delete: find("DELETE"),
        views,
        parents: parameters(collection),
    })
}

/// A collection without item operations.
fn listed(api: &Api, create: &Operation) -> Option<Resource> {
    let collection = create.path.trim_end_matches('/');
    let list = on(api, "GET", collection)?;
    Some(Resource {
        noun: nouns_of_path(collection).pop()?,
        create: Some(create.index),
        list: Some(list),
        parents: parameters(collection),
        ..Resource::default()
    })
}

fn on(api: &Api, method: &str, path: &str) -> Option<usize> {
    let same = |operation: &&Operation| operation.method == method && operation.path.trim_end_matches('/') == path;
    api.operations.iter().find(same).map(|operation| operation.index)
}

/// Operations on `collection/{x}`; `/silence/{id}` belongs to `/silences`, too.
fn items<'a>(api: &'a Api, collection: &str) -> Vec<&'a Operation> {
    let (outer, own) = collection.rsplit_once('/').unwrap_or(("", collection));
    let parts = |operation: &'a Operation| {
        let (rest, parameter) = operation.path.trim_end_matches('/').rsplit_once('/')?;
        let is_one = parameter.starts_with('{') && parameter.ends_with('}') && parameter.matches('{').count() == 1;
        is_one.then_some(rest)
    };
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<&'a Operation> {
        api.operations.iter().filter(|operation| parts(operation).is_some_and(wanted)).collect()
    };
    let direct = of(&|rest| rest == collection);
    if !direct.is_empty() || own.is_empty() || own.starts_with('{') {
        return direct;
    }
    of(&|rest| rest.rsplit_once('/').is_some_and(|(before, name)| before == outer && key(name) == key(own)))
}

fn ends_in_parameter(path: &str) -> bool {
    path.trim_end_matches('/').ends_with('}')
}

fn last_parameter(path: &str) -> Option<&str> {
    path.rsplit_once('{')?.1.strip_suffix('}')
}

/// Names of the parameters in a path.
fn parameters(path: &str) -> Vec<String> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

/// Index of a path parameter of an operation.
pub(crate) fn path_parameter(operation: &Operation, name: &str) -> Option<usize> {
    operation.parameters.iter().position(|parameter| parameter.location == Location::Path && parameter.name == name)
}
