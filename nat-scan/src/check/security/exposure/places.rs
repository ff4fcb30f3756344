//! Where operators and developers leave what is not for everybody, and what only the real thing contains.

pub(super) const SECRETS: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N");
pub(super) const CONFIGURATION: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N");
pub(super) const TAKEOVER: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
pub(super) const HARMLESS: Option<&str> = None;

pub(super) struct Place {
    pub(super) path: &'static str,
    /// What it gives.
    pub(super) what: &'static str,
    pub(super) signature: Signature,
    /// How bad; none: worth knowing.
    pub(super) vector: Option<&'static str>,
}

/// What only the real thing contains.
pub(super) enum Signature {
    /// All of these texts.
    Texts(&'static [&'static str]),
    /// JSON with all of these members.
    Members(&'static [&'static str]),
    /// The body begins so.
    Magic(&'static [&'static [u8]]),
    /// A line of text of this form, and no page.
    Line(&'static str),
    /// Environment variables, as JSON or as lines.
    Environment,
}

use Signature::{Environment, Line, Magic, Members, Texts};

const fn place(path: &'static str, what: &'static str, signature: Signature, vector: Option<&'static str>) -> Place {
    Place { path, what, signature, vector }
}

#[rustfmt::skip]
pub(super) const PLACES: &[Place] = &[
    // Files.
    place("/.env", "a file of settings and secrets", Environment, SECRETS),
    place("/.env.production", "a file of settings and secrets", Environment, SECRETS),
    place("/.git/HEAD", "the source repository", Magic(&[b"ref: refs/"]), SECRETS),
    place("/.git/config", "the source repository", Texts(&["[core]", "repositoryformatversion"]), SECRETS),
    place("/.svn/wc.db", "the source repository", Magic(&[b"SQLite format 3"]), SECRETS),
    place("/.DS_Store", "the names of files", Magic(&[b"\0\0\0\x01Bud1"]), CONFIGURATION),
    place("/.aws/credentials", "keys of a cloud account", Line(r"(?m)^aws_secret_access_key\s*=\s*\S{20,}"), SECRETS),
    place("/.npmrc", "a token of a package registry", Line(r"(?m)^//[^\s=]+:_authToken=\S{8,}"), SECRETS),
    place("/.htpasswd", "hashes of passwords", Line(r"(?m)^[\w.@-]{1,64}:(?:\$apr1\$|\$2[aby]\$|\{SHA\})\S{16,}"), SECRETS),
    place("/id_rsa", "a private key", Line(r"^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"), SECRETS),
    place("/backup.sql", "a dump of the database", Line(r"(?mi)^(?:create table|insert into) \S+"), SECRETS),
    place("/dump.sql", "a dump of the database", Line(r"(?mi)^(?:create table|insert into) \S+"), SECRETS),
    place("/db.sqlite3", "the database", Magic(&[b"SQLite format 3"]), SECRETS),
    place("/web.config", "the configuration of the server", Texts(&["<configuration", "<system.web"]), CONFIGURATION),
    place("/docker-compose.yml", "how the service is deployed", Line(r"(?s)^(?:#[^\n]*\n|version:[^\n]*\n|\s*\n)*services:\s*\n\s+[\w-]+:\s*\n"), CONFIGURATION),
    place("/storage/logs/laravel.log", "the log of the application", Line(r"(?m)^\[\d{4}-\d\d-\d\d[ T][\d:.+-]+\] \w+\.(?:ERROR|INFO|DEBUG|WARNING)"), CONFIGURATION),
    // The process.
    place("/env", "the environment of the process", Environment, SECRETS),
    place("/debug", "the environment of the process", Environment, SECRETS),
    place("/debug/env", "the environment of the process", Environment, SECRETS),
    place("/debug/config", "the environment of the process", Environment, SECRETS),
    place("/_debug", "the environment of the process", Environment, SECRETS),
    place("/debug/vars", "variables of a Go process", Members(&["cmdline", "memstats"]), CONFIGURATION),
    place("/debug/pprof/", "the Go profiler", Texts(&["/debug/pprof/", "goroutine", "heap"]), CONFIGURATION),
    place("/debug/requests", "requests of other users", Texts(&["/debug/requests", "Trace"]), CONFIGURATION),
    // Spring Boot.
    place("/actuator", "the index of Spring Boot Actuator", Members(&["_links"]), HARMLESS),
    place("/actuator/env", "the environment of the process", Members(&["propertySources"]), SECRETS),
    place("/actuator/heapdump", "a dump of the memory", Magic(&[b"JAVA PROFILE", b"\x1f\x8b\x08"]), SECRETS),
    place("/actuator/threaddump", "the stacks of all threads", Members(&["threads"]), CONFIGURATION),
    place("/actuator/configprops", "the configuration", Members(&["contexts"]), CONFIGURATION),
    place("/actuator/beans", "what the application is made of", Members(&["contexts"]), CONFIGURATION),
    place("/actuator/mappings", "the list of all routes", Members(&["contexts"]), CONFIGURATION),
    place("/actuator/loggers", "the levels of logging", Members(&["levels", "loggers"]), CONFIGURATION),
    place("/actuator/httptrace", "requests of other users", Members(&["traces"]), SECRETS),
    place("/actuator/httpexchanges", "requests of other users", Members(&["exchanges"]), SECRETS),
    place("/actuator/gateway/routes", "the routes of the gateway", Texts(&["\"route_id\"", "\"predicate\""]), CONFIGURATION),
    place("/actuator/prometheus", "metrics", Texts(&["# HELP ", "# TYPE "]), HARMLESS),
    place("/jolokia/version", "management of the Java process", Members(&["request", "value", "timestamp"]), CONFIGURATION),
    place("/h2-console", "a console of the database", Texts(&["H2 Console", "login.jsp"]), CONFIGURATION),
    // Other frameworks and servers.
    place("/metrics", "metrics", Texts(&["# HELP ", "# TYPE "]), HARMLESS),
    place("/phpinfo.php", "the configuration of PHP", Texts(&["phpinfo()", "PHP Version"]), CONFIGURATION),
    place("/info.php", "the configuration of PHP", Texts(&["phpinfo()", "PHP Version"]), CONFIGURATION),
    place("/console", "a Python console", Texts(&["Interactive Console", "EVALEX"]), TAKEOVER),
    place("/server-status", "the status page of Apache", Texts(&["Apache Server Status"]), CONFIGURATION),
    place("/server-info", "the configuration of Apache", Texts(&["Apache Server Information"]), CONFIGURATION),
    place("/nginx_status", "the status page of nginx", Texts(&["Active connections:", "server accepts handled requests"]), HARMLESS),
    place("/fpm-status", "the status page of PHP", Texts(&["pool:", "process manager:", "accepted conn:"]), HARMLESS),
    place("/_profiler", "the Symfony profiler", Texts(&["Symfony Profiler"]), CONFIGURATION),
    place("/telescope/requests", "Laravel Telescope", Texts(&["Telescope", "laravel"]), CONFIGURATION),
    place("/_debugbar/open", "requests of other users", Line(r#"^\[\{"(?:id|datetime|utime)":"#), CONFIGURATION),
    place("/rails/info/properties", "the versions of Rails", Texts(&["Rails version", "Ruby version"]), CONFIGURATION),
    place("/rails/info/routes", "the list of all routes", Texts(&["Controller#Action"]), CONFIGURATION),
    place("/elmah.axd", "the error log of ASP.NET", Texts(&["Error Log for"]), CONFIGURATION),
    place("/trace.axd", "requests of other users", Texts(&["Application Trace"]), CONFIGURATION),
    place("/adminer.php", "a console of the database", Texts(&["Adminer", "name=\"auth[driver]\""]), CONFIGURATION),
    place("/_cluster/health", "the state of Elasticsearch", Members(&["cluster_name", "number_of_nodes"]), CONFIGURATION),
    place("/v1/agent/self", "the configuration of Consul", Members(&["Config", "Member"]), CONFIGURATION),
];
