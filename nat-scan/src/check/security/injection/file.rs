//! S-PATH: a file that is none of the API's.

use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;

use super::likeness::plain;
use super::{MAX_FINDINGS, Point, Proof, READ, fill, four, is_open, places};
use crate::check::security::rightful;
use crate::check::trace::readable;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};
use crate::transport::Request;

/// S-PATH.
pub(super) struct Traversal;

static INFO: CheckInfo = CheckInfo {
    id: "S-PATH",
    title: "Path traversal",
    description: "Text of the request becomes part of the name of a file, and leads out of the folder that is meant.",
    remediation: "Look names up in a list of what may be read. Where that cannot be, resolve the whole name first and then check that it still lies in the folder.",
    cwe: &["CWE-22"],
    owasp: Some("API8:2023"),
};

/// A way out of the folder, in two spellings. `{f}` is the file without its first slash.
struct Way {
    one: &'static str,
    two: &'static str,
    file: File,
    /// How the text gets on the wire.
    wire: Wire,
    /// Worth its requests anywhere, not only where the name speaks of files.
    common: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum File {
    Users,
    Windows,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// Percent-encoded as any value.
    Once,
    /// Encoded before, so that the server decodes it twice.
    Twice,
    /// In the path as it is.
    Bare,
}

const fn way(one: &'static str, two: &'static str) -> Way {
    Way { one, two, file: File::Users, wire: Wire::Once, common: false }
}

const WAYS: [Way; 7] = [
    Way {
        common: true,
        ..way("../../../../../../../../../../../../{f}", "./.././../.././../../../../../../../../../../../{f}")
    },
    Way { common: true, ..way("/{f}", "//./{f}") },
    way("{v}/../../../../../../../../../../../../../{f}", "{v}/./../../../../../../../../../../../../../../../{f}"),
    way(
        "....//....//....//....//....//....//....//....//{f}",
        "....//....//....//....//....//....//....//....//....//....//{f}",
    ),
    Way {
        wire: Wire::Twice,
        ..way("../../../../../../../../../../../../{f}", "../../../../../../../../../../../../../../../{f}")
    },
    Way {
        wire: Wire::Bare,
        ..way("../../../../../../../../../../../../{f}", "../../../../../../../../../../../../../../../{f}")
    },
    Way {
        file: File::Windows,
        ..way("..\\..\\..\\..\\..\\..\\..\\..\\..\\{f}", "..\\..\\..\\..\\..\\..\\..\\..\\..\\..\\..\\..\\{f}")
    },
];

const NAMES: [&str; 22] = [
    "file",
    "filename",
    "files",
    "path",
    "filepath",
    "dir",
    "directory",
    "folder",
    "doc",
    "document",
    "page",
    "template",
    "include",
    "image",
    "img",
    "photo",
    "download",
    "attachment",
    "log",
    "report",
    "theme",
    "name",
];

impl File {
    fn name(self) -> &'static str {
        match self {
            Self::Users => "etc/passwd",
            Self::Windows => "windows\\win.ini",
        }
    }

    /// The answer holds what only this file says.
    fn shows(self, exchange: &Exchange) -> bool {
        static USERS: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?m)(?:^|[^\w:])root:[x*!]?:0:0:[^:\n]{0,80}:/[^:\n]{0,80}:/[\w/.-]+")
                .expect("a constant pattern")
        });
        static WINDOWS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(?is)\[fonts\]\s.{0,400}\[extensions\]").expect("a constant pattern"));
        let Some(response) = exchange.response() else { return false };
        let text = readable(response, exchange.json());
        match self {
            Self::Users => USERS.is_match(&text),
            Self::Windows => WINDOWS.is_match(&text),
        }
    }
}

#[async_trait]
impl SecurityCheck for Traversal {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        5
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        let points = places(cx).await;
        for point in points.iter().filter(|point| point.takes_text()) {
            let speaks_of_files = super::is_called(point, &NAMES)
                || point.value.as_str().is_some_and(|text| text.contains('/') || text.contains('.'));
            for way in WAYS.iter().filter(|way| way.common || speaks_of_files) {
                if let Some(finding) = prove(cx, point, way).await {
                    found.push(finding);
                    break;
                }
            }
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        found
    }
}

/// The request with the way to this file in its place.
fn written(cx: &SecurityContext<'_>, point: &Point<'_>, way: &Way, pattern: &str, file: &str) -> Option<Request> {
    let value = point.original().unwrap_or_default();
    let text = fill(pattern, &[("{v}", &value), ("{f}", file)]);
    match way.wire {
        Wire::Once => point.with(cx, text.into()),
        Wire::Twice => point.with(cx, text.replace('/', "%2f").replace('.', "%2e").into()),
        Wire::Bare => {
            let mut request = point.with(cx, text.into()).filter(|_| point.is_in_path())?;
            request.target = request.target.replace("%2F", "/").replace("%2E", ".");
            Some(request)
        }
    }
}

async fn ask(cx: &SecurityContext<'_>, point: &Point<'_>, way: &Way, pattern: &str, file: &str) -> Option<Exchange> {
    let request = written(cx, point, way, pattern, file)?;
    cx.prober.send(Some(point.operation.index), request, rightful(cx)).await
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>, way: &Way) -> Option<Finding> {
    let probe = ask(cx, point, way, way.one, way.file.name()).await.filter(|answer| way.file.shows(answer))?;
    let nonce = cx.prober.nonce();
    let missing = match way.file {
        File::Users => format!("etc/{nonce}"),
        File::Windows => format!("windows\\{nonce}.ini"),
    };
    let control = ask(cx, point, way, way.one, &missing).await?;
    let baseline = plain(cx, point).await?;
    if way.file.shows(&control) || way.file.shows(&baseline) {
        return None;
    }
    let other = ask(cx, point, way, way.two, way.file.name()).await.filter(|answer| way.file.shows(answer))?;
    let request = written(cx, point, way, way.one, way.file.name());
    let open = is_open(cx, point, request, |answer| way.file.shows(answer)).await;
    let explanation = format!(
        "What is sent as {} leads out of the folder that is meant: the answer is the file {} of the machine, in two spellings of the way; for a file that does not exist it is not.",
        point.location,
        if way.file == File::Users { "/etc/passwd" } else { "win.ini" },
    );
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: "file",
        cause: "file",
        explanation,
        confidence: Confidence::Confirmed,
        vector: READ,
        open,
        exchanges: four(baseline, probe, control, other),
    };
    Some(proof.finding(cx))
}
