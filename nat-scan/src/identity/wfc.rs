//! Authentication files of the Web Fuzzing Commons, which several test tools read: users, fixed headers, logins.
//!
//! Read after the schema `auth.yaml` of <https://github.com/WebFuzzing/Commons>, in its present form and with the names
//! that it had before (`extractFromField`, `httpHeaderName`, `headerPrefix`). Extended by what the schema leaves open:
//! a token may be taken from a cookie and sent in one.

use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::{Credentials, Endpoint, Login, Placement, Take};
use crate::spec::{SpecError, SpecLimits};

/// A file is small.
const MAX_BYTES: usize = 1 << 20;
/// Users of one file.
const MAX_USERS: usize = 100;

/// Why a file cannot be used. Quotes names of fields and no values of secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WfcError {
    /// Neither JSON nor YAML, or too large.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(String),
    /// A field that the format does not have.
    #[error("{0} is no field of this format")]
    Unknown(String),
    /// A field has a value that it cannot have.
    #[error("{field} {why}")]
    Invalid {
        /// Where: `auth[0].loginEndpointAuth.verb`.
        field: String,
        /// What is wrong: `must be a text`.
        why: String,
    },
    /// Two users have the same name.
    #[error("two entries of auth have the name '{0}'")]
    Duplicate(String),
    /// A field that needs more than a scan from outside can do.
    #[error("{0} is not supported")]
    Unsupported(String),
}

/// One user of a file.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What to send.
    pub credentials: Credentials,
}

/// The users of a file, in order: the first is who a scan is, the second the other one.
///
/// # Errors
/// [`WfcError`], the first that is found.
pub fn parse(bytes: &[u8]) -> Result<Vec<User>, WfcError> {
    let limits = SpecLimits { max_bytes: MAX_BYTES, ..SpecLimits::default() };
    let value = crate::spec::read(bytes, &limits).map_err(|error| {
        WfcError::Unreadable(match error {
            SpecError::TooLarge { limit } => format!("it has more than {limit} bytes"),
            SpecError::Syntax(why) => format!("neither JSON nor YAML: {why}"),
            SpecError::Bomb(why) => why,
            other => other.to_string(),
        })
    })?;
    let root = Fields::of(&value, String::new())?;
    root.only(&["schemaVersion", "auth", "authTemplate", "configs"])?;
    let template = root.value("authTemplate");
    let auth = root.value("auth").ok_or_else(|| root.missing("auth"))?;
    let entries = auth.as_array().filter(|entries| !entries.is_empty() && entries.len() <= MAX_USERS);
    let entries = entries.ok_or_else(|| root.invalid("auth", format!("must be a list of 1 to {MAX_USERS} users")))?;
    let mut users: Vec<User> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let mut entry = entry.clone();
        if let Some(template) = template {
            complete(&mut entry, template);
        }
        let user = user(&Fields::of(&entry, format!("auth[{number}]"))?)?;
        if users.iter().any(|known| known.name == user.name) {
            return Err(WfcError::Duplicate(user.name));
        }
        users.push(user);
    }
    Ok(users)
}

/// What the template says and the entry does not; lists are taken as they are.
fn complete(entry: &mut Value, template: &Value) {
    let (Value::Object(entry), Value::Object(template)) = (entry, template) else { return };
    for (name, value) in template {
        match entry.get_mut(name) {
            None => drop(entry.insert(name.clone(), value.clone())),
            Some(Value::Null) => drop(entry.insert(name.clone(), value.clone())),
            Some(known) => complete(known, value),
        }
    }
}

fn user(fields: &Fields<'_>) -> Result<User, WfcError> {
    fields.only(&["name", "requireMockHandling", "fixedHeaders", "loginEndpointAuth", "createUsers"])?;
    let name = fields.required("name")?;
    if fields.flag("requireMockHandling")? {
        return Err(WfcError::Unsupported(fields.path("requireMockHandling")));
    }
    if fields.value("createUsers").is_some() {
        return Err(WfcError::Unsupported(fields.path("createUsers")));
    }
    let mut all: Vec<Credentials> =
        fields.headers("fixedHeaders")?.into_iter().map(|(name, value)| Credentials::Header { name, value }).collect();
    if let Some(login) = fields.value("loginEndpointAuth") {
        let login = login_of(&Fields::of(login, fields.path("loginEndpointAuth"))?)?;
        all.push(Credentials::Login(Box::new(login)));
    }
    if all.is_empty() {
        return Err(WfcError::Missing(format!("{} or loginEndpointAuth", fields.path("fixedHeaders"))));
    }
    Ok(User { name, credentials: Credentials::All(all) })
}

fn login_of(fields: &Fields<'_>) -> Result<Login, WfcError> {
    fields.only(&[
        "endpoint",
        "externalEndpointURL",
        "verb",
        "contentType",
        "headers",
        "payloadRaw",
        "payloadUserPwd",
        "token",
        "expectCookies",
    ])?;
    let endpoint = match (fields.text("endpoint")?, fields.text("externalEndpointURL")?) {
        (Some(_), Some(_)) => {
            return Err(fields.invalid("endpoint", "and externalEndpointURL exclude each other".to_owned()));
        }
        (Some(path), None) if path.starts_with('/') => Endpoint::Path(path),
        (Some(_), None) => return Err(fields.invalid("endpoint", "must begin with /".to_owned())),
        (None, Some(url)) => {
            let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            Endpoint::Url(url.ok_or_else(|| fields.invalid("externalEndpointURL", "must be an http URL".to_owned()))?)
        }
        (None, None) => return Err(fields.missing("endpoint")),
    };
    let method = fields.required("verb")?.to_ascii_uppercase();
    if !matches!(method.as_str(), "POST" | "GET" | "PATCH" | "DELETE" | "PUT") {
        return Err(fields.invalid("verb", "must be POST, GET, PATCH, DELETE or PUT".to_owned()));
    }
    let mut headers = fields.headers("headers")?;
    let content_type = fields.text("contentType")?;
    let (body, secrets, content_type) = payload(fields, content_type)?;
    if let Some(content_type) = content_type {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        headers.push(("Content-Type".to_owned(), content_type.into()));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        headers.push(("Accept".to_owned(), "*/*".to_owned().into()));
    }
    let (take, placement) = match (fields.value("token"), fields.flag("expectCookies")?) {
        (Some(token), false) => token_of(&Fields::of(token, fields.path("token"))?)?,
        (None, true) => (Take::Cookies, Placement::Cookies),
        (Some(_), true) => {
            return Err(fields.invalid("token", "and expectCookies exclude each other".to_owned()));
        }
        (None, false) => return Err(WfcError::Missing(format!("{} or expectCookies", fields.path("token")))),
    };
    Ok(Login { endpoint, method, headers, body, secrets, take, placement })
}

/// Body, secrets in it, and its content type.
type Payload = (Option<SecretString>, Vec<SecretString>, Option<String>);

fn payload(fields: &Fields<'_>, content_type: Option<String>) -> Result<Payload, WfcError> {
    let raw = fields.text("payloadRaw")?;
    let Some(pair) = fields.value("payloadUserPwd") else {
        let secrets = raw.iter().flat_map(|raw| texts_of(raw)).map(SecretString::from).collect();
        return Ok((raw.map(SecretString::from), secrets, content_type));
    };
    if raw.is_some() {
        return Err(fields.invalid("payloadRaw", "and payloadUserPwd exclude each other".to_owned()));
    }
    let pair = Fields::of(pair, fields.path("payloadUserPwd"))?;
    pair.only(&["username", "password", "usernameField", "passwordField"])?;
    let (username, password) = (pair.required("username")?, pair.required("password")?);
    let (user_field, password_field) = (pair.required("usernameField")?, pair.required("passwordField")?);
    let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = match media.as_str() {
        "application/x-www-form-urlencoded" => url::form_urlencoded::Serializer::new(String::new())
            .append_pair(&user_field, &username)
            .append_pair(&password_field, &password)
            .finish(),
        media if media.ends_with("json") => {
            let members = [(user_field, Value::from(username)), (password_field, Value::from(password.as_str()))];
            Value::Object(members.into_iter().collect()).to_string()
        }
        _ => {
            let why = "must be JSON or application/x-www-form-urlencoded for payloadUserPwd";
            return Err(fields.invalid("contentType", why.to_owned()));
        }
    };
    Ok((Some(body.into()), vec![password.into()], Some(content_type)))
}

/// Members of a raw payload whose names say that they are secret; all of it when it cannot be taken apart.
fn texts_of(raw: &str) -> Vec<String> {
    let is_secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["pass", "pwd", "secret", "token", "key", "pin", "code"].iter().any(|word| name.contains(word))
    };
    if let Ok(Value::Object(members)) = serde_json::from_str::<Value>(raw) {
        let secret = members.into_iter().filter(|(name, _)| is_secret(name));
        return secret.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect();
    }
    if raw.contains('=') && !raw.contains(char::is_whitespace) {
        let pairs = url::form_urlencoded::parse(raw.as_bytes());
        return pairs.filter(|(name, _)| is_secret(name)).map(|(_, value)| value.into_owned()).collect();
    }
    vec![raw.to_owned()]
}

fn token_of(fields: &Fields<'_>) -> Result<(Take, Placement), WfcError> {
    fields.only(&[
        "extractFrom",
        "extractSelector",
        "sendIn",
        "sendName",
        "sendTemplate",
        "extractFromField",
        "httpHeaderName",
        "headerPrefix",
    ])?;
    if let Some(pointer) = fields.text("extractFromField")? {
        let name = fields.text("httpHeaderName")?.unwrap_or_else(|| "Authorization".to_owned());
        let prefix = fields.text("headerPrefix")?.unwrap_or_default();
        let template = format!("{prefix}{{token}}");
        return Ok((
            Take::Body(pointer_of(fields, "extractFromField", pointer)?),
            header(fields, "httpHeaderName", name, template)?,
        ));
    }
    let selector = fields.required("extractSelector")?;
    let take = match fields.required("extractFrom")?.as_str() {
        "body" => Take::Body(pointer_of(fields, "extractSelector", selector)?),
        "header" => Take::Header(selector),
        "cookie" => Take::Cookie(selector),
        _ => return Err(fields.invalid("extractFrom", "must be body, header or cookie".to_owned())),
    };
    let name = fields.required("sendName")?;
    let template = fields.text("sendTemplate")?.unwrap_or_else(|| "{token}".to_owned());
    if !template.contains("{token}") {
        return Err(fields.invalid("sendTemplate", "must contain {token}".to_owned()));
    }
    let placement = match fields.required("sendIn")?.as_str() {
        "header" => header(fields, "sendName", name, template)?,
        "query" => Placement::Query { name, template },
        "cookie" if template == "{token}" => Placement::Cookie { name },
        "cookie" => return Err(fields.invalid("sendTemplate", "must be {token} for a cookie".to_owned())),
        _ => return Err(fields.invalid("sendIn", "must be header, query or cookie".to_owned())),
    };
    Ok((take, placement))
}

fn pointer_of(fields: &Fields<'_>, field: &str, pointer: String) -> Result<String, WfcError> {
    match pointer.is_empty() || pointer.starts_with('/') {
        true => Ok(pointer),
        false => Err(fields.invalid(field, "must be a JSON pointer such as /access_token".to_owned())),
    }
}

fn header(fields: &Fields<'_>, field: &str, name: String, template: String) -> Result<Placement, WfcError> {
    if !is_header_name(&name) {
        return Err(fields.invalid(field, "must be the name of a header".to_owned()));
    }
    if template.chars().any(char::is_control) {
        return Err(fields.invalid("sendTemplate", "must not hold control characters".to_owned()));
    }
    Ok(Placement::Header { name, template })
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The members of an object, and where it stands.
struct Fields<'a> {
    members: &'a Map<String, Value>,
    place: String,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, place: String) -> Result<Self, WfcError> {
        let members = value.as_object().ok_or_else(|| {
            let field = if place.is_empty() { "the file".to_owned() } else { place.clone() };
            WfcError::Invalid { field, why: "must be an object".to_owned() }
        })?;
        Ok(Self { members, place })
    }

    fn path(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    fn missing(&self, name: &str) -> WfcError {
        WfcError::Missing(self.path(name))
    }

    fn invalid(&self, name: &str, why: String) -> WfcError {
        WfcError::Invalid { field: self.path(name), why }
    }

    fn only(&self, known: &[&str]) -> Result<(), WfcError> {
        match self.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(WfcError::Unknown(self.path(&name.chars().take(60).collect::<String>()))),
            None => Ok(()),
        }
    }

    /// Absent and null are the same.
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text; numbers are taken as they are written, because nobody quotes the password 1234.
    fn text(&self, name: &str) -> Result<Option<String>, WfcError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.invalid(name, "must be a text".to_owned())),
        }
    }

    fn required(&self, name: &str) -> Result<String, WfcError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name))
    }

    fn flag(&self, name: &str) -> Result<bool, WfcError> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.invalid(name, "must be true or false".to_owned())),
        }
    }

    /// A list of `name` and `value`.
    fn headers(&self, name: &str) -> Result<Vec<(String, SecretString)>, WfcError> {
        let Some(list) = self.value(name) else { return Ok(Vec::new()) };
        let list = list.as_array().ok_or_else(|| self.invalid(name, "must be a list".to_owned()))?;
        let header = |(number, entry): (usize, &'a Value)| {
            let header = Fields::of(entry, format!("{}[{number}]", self.path(name)))?;
            header.only(&["name", "value"])?;
            let (name, value) = (header.required("name")?, header.required("value")?);
            if !is_header_name(&name) {
                return Err(header.invalid("name", "must be the name of a header".to_owned()));
            }
            if value.chars().any(char::is_control) {
                return Err(header.invalid("value", "must not hold control characters".to_owned()));
            }
            Ok((name, SecretString::from(value)))
        };
        list.iter().enumerate().map(header).collect()
    }
}

#[cfg(test)]
mod tests;
