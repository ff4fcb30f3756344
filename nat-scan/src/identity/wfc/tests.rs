use secrecy::ExposeSecret;

use super::*;

/// Everything that the schema has, in its own style.
const FULL: &str = r#"
schemaVersion: "0.2.0"
auth:
  - name: admin
    loginEndpointAuth:
      payloadUserPwd: {username: admin, password: "bar 123"}
  - name: user
    fixedHeaders:
      - {name: X-Tenant, value: acme}
    loginEndpointAuth:
      contentType: application/x-www-form-urlencoded
      payloadUserPwd: {username: ann, password: "a&b"}
authTemplate:
  loginEndpointAuth:
    endpoint: /api/login
    verb: POST
    contentType: application/json
    payloadUserPwd: {usernameField: user, passwordField: pwd}
    token:
      extractFrom: body
      extractSelector: /data/token
      sendIn: header
      sendName: Authorization
      sendTemplate: "Bearer {token}"
configs: {any: thing}
"#;

fn login(user: &User) -> &Login {
    let Credentials::All(all) = &user.credentials else { panic!("several") };
    let Some(Credentials::Login(login)) = all.last() else { panic!("a login") };
    login
}

#[test]
fn template_completes_every_user() {
    let users = parse(FULL.as_bytes()).unwrap();
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["admin", "user"]);
    let check = |user: &User, body: &str, content_type: &str| {
        let login = login(user);
        assert_eq!(login.endpoint, Endpoint::Path("/api/login".to_owned()));
        assert_eq!(login.method, "POST");
        assert_eq!(login.body.as_ref().unwrap().expose_secret(), body);
        let header = login.headers.iter().find(|(name, _)| name == "Content-Type").unwrap();
        assert_eq!(header.1.expose_secret(), content_type);
        assert_eq!(login.take, Take::Body("/data/token".to_owned()));
        assert_eq!(login.placement, Placement::bearer());
    };
    check(&users[0], r#"{"user":"admin","pwd":"bar 123"}"#, "application/json");
    check(&users[1], "user=ann&pwd=a%26b", "application/x-www-form-urlencoded");
    assert!(!format!("{users:?}").contains("bar 123"), "no secret in a debug text");
}

fn of(login_fields: &str) -> String {
    format!("{{\"auth\": [{{\"name\": \"a\", \"loginEndpointAuth\": {{{login_fields}}}}}]}}")
}

#[test]
fn tokens_are_taken_and_sent_as_the_file_says() {
    let check = |token: &str, take: Take, placement: Placement| {
        let text = of(&format!(r#""endpoint": "/l", "verb": "GET", {token}"#));
        let users = parse(text.as_bytes()).unwrap();
        assert_eq!((&login(&users[0]).take, &login(&users[0]).placement), (&take, &placement), "{token}");
    };
    check(
        r#""token": {"extractFromField": "/t", "httpHeaderName": "X-T", "headerPrefix": "JWT "}"#,
        Take::Body("/t".to_owned()),
        Placement::header("X-T", "JWT {token}"),
    );
    check(
        r#""token": {"extractFrom": "header", "extractSelector": "X-Auth", "sendIn": "query", "sendName": "k"}"#,
        Take::Header("X-Auth".to_owned()),
        Placement::Query { name: "k".to_owned(), template: "{token}".to_owned() },
    );
    check(
        r#""token": {"extractFrom": "cookie", "extractSelector": "sid", "sendIn": "cookie", "sendName": "sid"}"#,
        Take::Cookie("sid".to_owned()),
        Placement::Cookie { name: "sid".to_owned() },
    );
    check(r#""expectCookies": true"#, Take::Cookies, Placement::Cookies);
}

#[test]
fn secrets_of_a_raw_payload_are_known() {
    let check = |raw: &str, expected: &[&str]| {
        let raw = serde_json::to_string(raw).unwrap();
        let text = of(&format!(r#""endpoint": "/l", "verb": "POST", "expectCookies": true, "payloadRaw": {raw}"#));
        let users = parse(text.as_bytes()).unwrap();
        let secrets: Vec<&str> = login(&users[0]).secrets.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(secrets, expected, "{raw}");
    };
    check(r#"{"user": "ann", "password": "pw"}"#, &["pw"]);
    check("user=ann&password=a%26b", &["a&b"]);
    check("<login>ann</login>", &["<login>ann</login>"]);
}

#[test]
fn mistakes_are_named() {
    let login = |fields: &str| of(fields);
    let token = |fields: &str| of(&format!(r#""endpoint": "/l", "verb": "POST", "token": {{{fields}}}"#));
    for (text, expected) in [
        (String::new(), "the file cannot be read: neither JSON nor YAML: the document is empty"),
        ("[]".to_owned(), "the file must be an object"),
        ("a: [".to_owned(), "the file cannot be read: neither JSON nor YAML"),
        ("{}".to_owned(), "auth is missing"),
        (r#"{"auth": []}"#.to_owned(), "auth must be a list of 1 to 100 users"),
        (r#"{"auth": {}}"#.to_owned(), "auth must be a list"),
        (r#"{"auth": [], "users": 1}"#.to_owned(), "users is no field of this format"),
        (r#"{"auth": [{}]}"#.to_owned(), "auth[0].name is missing"),
        (r#"{"auth": [7]}"#.to_owned(), "auth[0] must be an object"),
        (r#"{"auth": [{"name": "a"}]}"#.to_owned(), "auth[0].fixedHeaders or loginEndpointAuth is missing"),
        (r#"{"auth": [{"name": "a", "headers": []}]}"#.to_owned(), "auth[0].headers is no field of this format"),
        (
            r#"{"auth": [{"name": "a", "fixedHeaders": [{"name": "X Y", "value": "1"}]}]}"#.to_owned(),
            "auth[0].fixedHeaders[0].name must be the name of a header",
        ),
        (
            r#"{"auth": [{"name": "a", "fixedHeaders": [{"name": "X", "value": "1\r\nY: 2"}]}]}"#.to_owned(),
            "auth[0].fixedHeaders[0].value must not hold control characters",
        ),
        (
            r#"{"auth": [{"name": "a", "fixedHeaders": [{"name": "X"}]}]}"#.to_owned(),
            "auth[0].fixedHeaders[0].value is missing",
        ),
        (
            r#"{"auth": [{"name": "a", "fixedHeaders": [{"name": "X", "value": "1"}]},
                         {"name": "a", "fixedHeaders": [{"name": "X", "value": "2"}]}]}"#
                .to_owned(),
            "two entries of auth have the name 'a'",
        ),
        (
            r#"{"auth": [{"name": "a", "requireMockHandling": true}]}"#.to_owned(),
            "auth[0].requireMockHandling is not supported",
        ),
        (login(r#""verb": "POST""#), "auth[0].loginEndpointAuth.endpoint is missing"),
        (login(r#""endpoint": "login""#), "auth[0].loginEndpointAuth.endpoint must begin with /"),
        (
            login(r#""externalEndpointURL": "ftp://a""#),
            "auth[0].loginEndpointAuth.externalEndpointURL must be an http URL",
        ),
        (
            login(r#""endpoint": "/l", "externalEndpointURL": "http://a""#),
            "auth[0].loginEndpointAuth.endpoint and externalEndpointURL exclude each other",
        ),
        (login(r#""endpoint": "/l""#), "auth[0].loginEndpointAuth.verb is missing"),
        (login(r#""endpoint": "/l", "verb": "TRACE""#), "auth[0].loginEndpointAuth.verb must be POST, GET"),
        (login(r#""endpoint": "/l", "verb": "POST""#), "auth[0].loginEndpointAuth.token or expectCookies is missing"),
        (
            login(r#""endpoint": "/l", "verb": "POST", "expectCookies": "yes""#),
            "auth[0].loginEndpointAuth.expectCookies must be true or false",
        ),
        (
            login(r#""endpoint": "/l", "verb": "POST", "payloadUserPwd": {"username": "a"}"#),
            "auth[0].loginEndpointAuth.payloadUserPwd.password is missing",
        ),
        (
            login(
                r#""endpoint": "/l", "verb": "POST", "contentType": "text/plain", "payloadUserPwd":
                   {"username": "a", "password": "b", "usernameField": "c", "passwordField": "d"}"#,
            ),
            "auth[0].loginEndpointAuth.contentType must be JSON or",
        ),
        (token(r#""extractFrom": "body""#), "auth[0].loginEndpointAuth.token.extractSelector is missing"),
        (
            token(r#""extractFrom": "body", "extractSelector": "token""#),
            "auth[0].loginEndpointAuth.token.extractSelector must be a JSON pointer",
        ),
        (
            token(r#""extractFrom": "url", "extractSelector": "/t""#),
            "auth[0].loginEndpointAuth.token.extractFrom must be body, header or cookie",
        ),
        (
            token(r#""extractFrom": "body", "extractSelector": "/t", "sendName": "A", "sendIn": "body""#),
            "auth[0].loginEndpointAuth.token.sendIn must be header, query or cookie",
        ),
        (
            token(
                r#""extractFrom": "body", "extractSelector": "/t", "sendName": "A", "sendIn": "header",
                   "sendTemplate": "Bearer""#,
            ),
            "auth[0].loginEndpointAuth.token.sendTemplate must contain {token}",
        ),
    ] {
        let error = parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
