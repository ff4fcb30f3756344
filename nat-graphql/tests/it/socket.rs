//! GraphQL over WebSocket, spoken raw. npm's graphql-ws and ws speak it in `.ci/graphql`.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use nat_core::ScanId;
use nat_core::store::CoreStore;
use nat_graphql::Settings;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::{App, quick, target, with_app, with_settings};

const PROTOCOL: &str = "graphql-transport-ws";

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(app: &App) -> Self {
        Self::open_with(app, &[("sec-websocket-protocol", PROTOCOL)]).await.expect("an open socket")
    }

    async fn open_with(app: &App, headers: &[(&'static str, &'static str)]) -> Result<Self, Error> {
        let address = app.address().await;
        let mut request = format!("ws://{address}/graphql").into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let stream = TcpStream::connect(address).await.expect("a connection");
        tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| Self(socket))
    }

    /// An acknowledged socket.
    async fn ready(app: &App, key: &str) -> Self {
        let mut socket = Self::open(app).await;
        socket.say(json!({"type": "connection_init", "payload": {"apiKey": key}})).await;
        assert_eq!(socket.hear().await, json!({"type": "connection_ack"}));
        socket
    }

    async fn say(&mut self, message: Value) {
        self.say_text(message.to_string()).await;
    }

    async fn say_text(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.expect("sent");
    }

    async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.say(json!({"type": "subscribe", "id": id, "payload": {"query": query, "variables": variables}})).await;
    }

    /// The next message of the protocol.
    async fn hear(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("open").expect("a message") {
                Message::Text(text) => return serde_json::from_str(text.as_str()).expect("JSON"),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The code with which the server closes, whatever it says before.
    async fn closed(mut self) -> u16 {
        while let Some(message) = self.0.next().await {
            if let Message::Close(frame) = message.expect("a message") {
                return frame.expect("a code").code.into();
            }
        }
        panic!("closed without a code");
    }
}

const ALERTS: &str = "subscription { usageAlerts { alertId } }";

#[tokio::test]
async fn g28_every_fault_of_the_protocol_has_its_code() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        for text in ["not JSON", "{}", r#"{"type":"nonsense"}"#, r#"{"type":"subscribe","id":"1"}"#, "[]"] {
            let mut socket = Socket::ready(&app, &key).await;
            socket.say_text(text.to_owned()).await;
            assert_eq!(socket.closed().await, 4400, "{text}");
        }
        let mut socket = Socket::ready(&app, &key).await;
        socket.0.send(Message::Binary(vec![1, 2].into())).await.expect("sent");
        assert_eq!(socket.closed().await, 4400, "binary");

        let mut socket = Socket::open(&app).await;
        socket.subscribe("1", ALERTS, json!({})).await;
        assert_eq!(socket.closed().await, 4401);

        for headers in [vec![], vec![("sec-websocket-protocol", "graphql-ws")]] {
            match Socket::open_with(&app, &headers).await {
                Ok(socket) => assert_eq!(socket.closed().await, 4406),
                // A client that offered something else takes no for an answer.
                Err(error) => assert!(error.to_string().to_lowercase().contains("subprotocol"), "{error}"),
            }
        }
        assert_eq!(Socket::open(&app).await.closed().await, 4408, "no init in time");

        let mut socket = Socket::ready(&app, &key).await;
        socket.subscribe("1", ALERTS, json!({})).await;
        socket.subscribe("1", ALERTS, json!({})).await;
        assert_eq!(socket.closed().await, 4409);

        let mut socket = Socket::ready(&app, &key).await;
        socket.say(json!({"type": "connection_init"})).await;
        assert_eq!(socket.closed().await, 4429);
    })
    .await;
}

#[tokio::test]
async fn g28_pings_are_answered_and_completed_operations_stop() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let mut socket = Socket::open(&app).await;
        socket.say(json!({"type": "ping", "payload": {"n": 1}})).await;
        assert_eq!(socket.hear().await, json!({"type": "pong", "payload": {"n": 1}}));
        socket.say(json!({"type": "connection_init", "payload": {"X-API-Key": key}})).await;
        assert_eq!(socket.hear().await, json!({"type": "connection_ack"}));
        socket.say(json!({"type": "pong"})).await;
        socket.say(json!({"type": "ping"})).await;
        assert_eq!(socket.hear().await, json!({"type": "pong"}));

        socket.subscribe("q", "{ usage { plan } }", json!({})).await;
        assert_eq!(
            socket.hear().await,
            json!({"type": "next", "id": "q", "payload": {"data": {"usage": {"plan": "pro"}}}})
        );
        assert_eq!(socket.hear().await, json!({"type": "complete", "id": "q"}));
        socket.subscribe("w", "{ nonsense }", json!({})).await;
        let wrong = socket.hear().await;
        assert_eq!(
            (&wrong["type"], &wrong["payload"][0]["extensions"]["code"]),
            (&json!("error"), &json!("GRAPHQL_VALIDATION_FAILED"))
        );
        // An id is free again when its operation has ended, by whichever side.
        socket.subscribe("s", ALERTS, json!({})).await;
        socket.say(json!({"type": "complete", "id": "s"})).await;
        socket.subscribe("s", "{ usage { plan } }", json!({})).await;
        assert_eq!(socket.hear().await["type"], "next");
        assert_eq!(socket.hear().await, json!({"type": "complete", "id": "s"}));
        socket.subscribe("u", "subscription { scanProgress(id: \"unknown\") { id } }", json!({})).await;
        let unknown = socket.hear().await;
        assert_eq!(
            (&unknown["type"], &unknown["payload"][0]["extensions"]["code"]),
            (&json!("error"), &json!("NOT_FOUND"))
        );
        let hurtful = format!("{{ a(b: {}1) }}", "[".repeat(10_000));
        socket.subscribe("h", &hurtful, json!({})).await;
        assert_eq!(socket.hear().await["payload"][0]["extensions"]["code"], "QUERY_REFUSED");
    })
    .await;
}

#[tokio::test]
async fn g28_close_of_the_client_is_answered() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let mut socket = Socket::ready(&app, &key).await;
        let frame = CloseFrame { code: 1000.into(), reason: "done".into() };
        socket.0.send(Message::Close(Some(frame))).await.expect("sent");
        assert_eq!(socket.closed().await, 1000);
    })
    .await;
}

#[tokio::test]
async fn g28_server_that_stops_says_so() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let mut busy = Socket::ready(&app, &key).await;
        busy.subscribe("1", ALERTS, json!({})).await;
        let waiting = Socket::open(&app).await;
        app.settings.stop.cancel();
        assert_eq!((busy.closed().await, waiting.closed().await), (1012, 1012));
        assert!(matches!(Socket::open_with(&app, &[("sec-websocket-protocol", PROTOCOL)]).await, Err(Error::Http(answer)) if answer.status() == 503));
    })
    .await;
}

#[tokio::test]
async fn g29_connection_ends_with_its_key() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        for payload in [json!({"apiKey": "nat_pk_wrong"}), json!({"apiKey": 7}), json!({}), Value::Null] {
            let mut socket = Socket::open(&app).await;
            socket.say(json!({"type": "connection_init", "payload": payload})).await;
            assert_eq!(socket.closed().await, 4403, "{payload}");
        }
        let made = app.data(&key, "mutation { createApiKey(input: {name: \"x\"}) { secret apiKey { id } } }").await;
        let (secret, id) = (&made["createApiKey"]["secret"], &made["createApiKey"]["apiKey"]["id"]);
        let mut socket = Socket::ready(&app, secret.as_str().expect("a key")).await;
        socket.subscribe("1", ALERTS, json!({})).await;
        app.data_with(&key, "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { revokedId } }", &json!({"id": id}))
            .await;
        assert_eq!(socket.closed().await, 4403);
    })
    .await;
}

#[tokio::test]
async fn g29_plan_that_changes_holds_for_the_next_operation() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let mut socket = Socket::ready(&app, &key).await;
        let limit = async |socket: &mut Socket, id: &str| {
            socket.subscribe(id, "{ rateLimit { limit } }", json!({})).await;
            let limit = socket.hear().await["payload"]["data"]["rateLimit"]["limit"].clone();
            assert_eq!(socket.hear().await["type"], "complete");
            limit
        };
        assert_eq!(limit(&mut socket, "0").await, 100_000);
        let mut tx = app.store.begin().await.expect("a transaction");
        let mut tenant = tx.lock_tenant(&"t".into()).await.expect("a lock").expect("a tenant");
        tenant.entitlement = nat_core::entitlement::Entitlement::of("slow".into());
        tx.update_tenant(&tenant).await.expect("an update");
        tx.commit().await.expect("a commit");
        // What is cached of the key is old after half a second of the clock.
        app.clock.advance(chrono::TimeDelta::seconds(1));
        for n in 1.. {
            if limit(&mut socket, &n.to_string()).await == 100 {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn g30_what_one_socket_may_have_is_bounded() {
    let settings = Settings { max_operations: 3, max_connections: 2, ..quick() };
    with_settings(settings, async |app| {
        let key = app.tenant("t", "pro").await;
        let mut socket = Socket::ready(&app, &key).await;
        for n in 0..1_000 {
            socket.subscribe(&n.to_string(), ALERTS, json!({})).await;
        }
        for n in 3..1_000 {
            let refused = socket.hear().await;
            assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!(n.to_string())));
            assert_eq!(refused["payload"][0]["extensions"]["code"], "TOO_MANY_STREAMS");
        }
        let second = Socket::ready(&app, &key).await;
        let mut third = Socket::open(&app).await;
        third.say(json!({"type": "connection_init", "payload": {"apiKey": key}})).await;
        assert_eq!(third.closed().await, 1013, "more connections than a tenant may have");
        let other = app.tenant("other", "pro").await;
        drop(Socket::ready(&app, &other).await);
        drop(second);
        for length in [(64 << 10) + 1, (1 << 20) + 1] {
            let mut socket = Socket::ready(&app, &other).await;
            socket.say_text("x".repeat(length)).await;
            assert_eq!(socket.closed().await, 4400, "{length}");
        }
    })
    .await;
}

#[tokio::test]
async fn g30_client_that_takes_nothing_is_let_go() {
    let settings = Settings { send_timeout: Duration::from_millis(50), ..quick() };
    with_settings(settings, async |app| {
        let key = app.tenant("t", "pro").await;
        let socket = Socket::ready(&app, &key).await;
        // Answers of a few hundred kilobytes each, and nobody reads them.
        let query = "{ __schema { types { name description fields { name description args { name description } type { name } } } } }";
        let (mut sink, mut stream) = socket.0.split();
        let mut sent = 0;
        let closed = loop {
            let message = json!({"type": "subscribe", "id": sent.to_string(), "payload": {"query": query}}).to_string();
            sent += 1;
            if sink.send(Message::Text(message.into())).await.is_err() {
                break true;
            }
            if sent == 5_000 {
                break false;
            }
        };
        let mut heard = 0;
        while let Some(Ok(message)) = stream.next().await {
            heard += 1;
            if message.is_close() {
                break;
            }
        }
        assert!(closed || heard < sent, "the server went on: {heard} of {sent}");
    })
    .await;
}

#[tokio::test]
async fn g31_page_of_another_origin_cannot_connect() {
    with_app(async |app| {
        app.tenant("t", "pro").await;
        let headers = [("sec-websocket-protocol", PROTOCOL), ("origin", "https://evil.example")];
        match Socket::open_with(&app, &headers).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
            other => panic!("{:?}", other.map(|_| "an open socket")),
        }
    })
    .await;
}

#[tokio::test]
async fn scan_is_told_live_to_its_end() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let target = target().await;
        let id = app.start(&key, &target.url).await;
        let mut socket = Socket::ready(&app, &key).await;
        let variables = json!({"id": id});
        socket
            .subscribe(
                "p",
                "subscription($id: ID!) { scanProgress(id: $id) { status progress { percent phase } } }",
                variables.clone(),
            )
            .await;
        socket
            .subscribe("f", "subscription($id: ID!) { scanFindings(id: $id) { fingerprint title status } }", variables)
            .await;
        let (mut statuses, mut findings, mut ended) = (Vec::new(), Vec::new(), 0);
        let listen = async {
            while ended < 2 {
                let message = socket.hear().await;
                let data = &message["payload"]["data"];
                match (message["type"].as_str(), message["id"].as_str()) {
                    (Some("next"), Some("p")) => statuses.push(data["scanProgress"]["status"].clone()),
                    (Some("next"), Some("f")) => findings.push(data["scanFindings"]["fingerprint"].clone()),
                    (Some("complete"), _) => ended += 1,
                    _ => panic!("{message}"),
                }
            }
        };
        tokio::join!(listen, app.services.scans.execute(ScanId::from(id.as_str())));
        assert_eq!(statuses.last(), Some(&json!("COMPLETED")), "{statuses:?}");
        let stored = app
            .data(&key, &format!("{{ scan(id: \"{id}\") {{ findings(first: 100) {{ nodes {{ fingerprint }} }} }} }}"))
            .await;
        let mut stored: Vec<String> = stored["scan"]["findings"]["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| node["fingerprint"].to_string())
            .collect();
        let mut told: Vec<String> = findings.iter().map(Value::to_string).collect();
        stored.sort();
        told.sort();
        assert_eq!(told, stored, "each finding once");
    })
    .await;
}

#[tokio::test]
async fn alerts_are_told_as_they_come() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let mut socket = Socket::ready(&app, &key).await;
        socket.subscribe("a", "subscription { usageAlerts { thresholdPercent used limit } }", json!({})).await;
        // The subscription has begun when an operation that came after it has been answered.
        socket.subscribe("q", "{ usage { scansUsed } }", json!({})).await;
        assert_eq!(socket.hear().await["id"], "q");
        assert_eq!(socket.hear().await["type"], "complete");
        for _ in 0..2 {
            app.start(&key, "http://127.0.0.1:1").await;
        }
        let mut thresholds = vec![socket.hear().await["payload"]["data"]["usageAlerts"]["thresholdPercent"].clone()];
        thresholds.push(socket.hear().await["payload"]["data"]["usageAlerts"]["thresholdPercent"].clone());
        thresholds.sort_by_key(Value::as_u64);
        assert_eq!(thresholds, [80, 100]);
    })
    .await;
}
