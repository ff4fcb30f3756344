//! What the farm asks of others when it is told to: on loopback only, a little, and not for long.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use url::{Host, Url};

const TIME: Duration = Duration::from_millis(1_500);
const MAX_ANSWER: u64 = 16 << 10;
/// Where the metadata service of a cloud would be.
const METADATA: &str = "169.254.169.254";
const INSTANCE: &str = "ami-id\nhostname\ninstance-id\nlocal-hostname\nplacement/\n";

/// An answer.
pub(super) struct Page {
    location: Option<String>,
    pub(super) body: String,
}

/// What takes its time, without holding up what else the thread has to do.
pub(super) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// What is at the URL; nothing beyond loopback.
pub(super) fn get(url: &str) -> Option<Page> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    let port = url.port_or_known_default()?;
    let ip = match url.host()? {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        Host::Domain(name) => address_of(name, port)?,
    };
    if !ip.is_loopback() {
        return None;
    }
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(ip, port), TIME).ok()?;
    stream.set_read_timeout(Some(TIME)).ok()?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: farm/1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).map(str::to_owned);
    Some(Page { location, body: body.to_owned() })
}

/// As the metadata service answers, had the farm one.
pub(super) fn metadata(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    (url.host_str() == Some(METADATA) && url.path() == "/latest/meta-data/").then(|| INSTANCE.to_owned())
}

/// Asks and, if wanted, goes on to where the answer points; nobody waits for it.
pub(super) fn call(url: &str, follows: bool) {
    let url = url.to_owned();
    std::thread::spawn(move || {
        let mut next = Some(url);
        for _ in 0..if follows { 4 } else { 1 } {
            next = next.and_then(|url| get(&url)).and_then(|page| page.location);
        }
    });
}

/// Looks a name up; the farm's name server is on loopback, on the port that comes with the name.
pub(super) fn look_up(name: &str) {
    let Some((host, port)) = name.split_once(':') else { return };
    let (host, port) = (host.to_owned(), port.parse().unwrap_or(53));
    std::thread::spawn(move || address_of(&host, port));
}

fn address_of(name: &str, port: u16) -> Option<IpAddr> {
    if name == "localhost" {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let mut message = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).ok().filter(|length| *length < 64)?);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(TIME)).ok()?;
    socket.send_to(&message, (Ipv4Addr::LOCALHOST, port)).ok()?;
    let mut room = [0; 512];
    let length = socket.recv(&mut room).ok()?;
    let answer = room.get(..length)?;
    let last: [u8; 4] = answer.get(length.checked_sub(4)?..)?.try_into().ok()?;
    (answer.get(7) == Some(&1)).then(|| IpAddr::from(last))
}
