//! The command line: arguments in, one call into the library, words and an exit code out.

mod admin;
mod billing;
mod demo;
mod exit;
mod output;
mod replay;
mod report;
mod scan;
mod server;
mod stored;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use nat::config::Settings;

/// Test HTTP APIs: does the API keep its contract, and can it be abused?
#[derive(Parser)]
#[command(name = "nat", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  nat demo                                          see it work, nothing needed
  nat scan http://127.0.0.1:8000                    scan an API, looking for its OpenAPI document
  nat scan http://127.0.0.1:8000 --spec api.yaml --format sarif --output nat.sarif
  nat serve                                         the REST and GraphQL server on 127.0.0.1:8080";

#[derive(Subcommand)]
enum Command {
    /// Start a server and a sample API, scan it over REST and show what was found.
    Demo(demo::DemoArgs),
    /// Check whether an API keeps its contract. Needs no server and no database.
    Scan(scan::ScanArgs),
    /// Check an API for security defects. Needs no server and no database.
    #[command(visible_alias = "security")]
    SecurityScan(scan::ScanArgs),
    /// Write a stored report (nat scan --format json) in another format.
    Report(report::ReportArgs),
    /// Send the requests of one finding again: reproduced, fixed or changed?
    Replay(replay::ReplayArgs),
    /// Send the requests of every finding of a report again: what is still there?
    Verify(replay::VerifyArgs),
    /// Run the server: REST, GraphQL and a scan worker.
    Serve(server::ServeArgs),
    /// Run a scan worker alone, beside servers on the same PostgreSQL.
    Worker(server::ServeArgs),
    /// Register tenants in the database of a server.
    #[command(subcommand)]
    Tenant(admin::TenantCommand),
    /// List, make, rotate and revoke a tenant's API keys.
    #[command(subcommand)]
    Key(admin::KeyCommand),
    /// Compare tenants' plans with Stripe, and put right what differs.
    #[command(subcommand)]
    Billing(billing::BillingCommand),
    /// Print the plan catalogue as TOML, in the form that NAT_PLANS_FILE takes.
    Plans(Box<Settings>),
    /// Print the OpenAPI document of the REST API.
    Openapi,
    /// Print the schema of the GraphQL API.
    Schema,
    /// Look at the configuration without starting anything.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell: nat completions bash > /etc/bash_completion.d/nat
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check every setting and print all mistakes at once, or the settings in force. Exit code 78 on a mistake.
    Check(Box<Settings>),
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Scan(args) => block_on_one(scan::run(args, nat::scan::engine::ScanKind::Functional)),
        Command::SecurityScan(args) => block_on_one(scan::run(args, nat::scan::engine::ScanKind::Security)),
        Command::Report(args) => report::run(&args),
        Command::Replay(args) => block_on(replay::replay(args)),
        Command::Verify(args) => block_on(replay::verify(args)),
        Command::Serve(args) => server::serve(&args),
        Command::Worker(args) => server::work(&args),
        Command::Tenant(command) => block_on(admin::tenant(command)),
        Command::Key(command) => block_on(admin::key(command)),
        Command::Billing(command) => block_on(billing::billing(command)),
        Command::Plans(settings) => server::plans(&settings),
        Command::Openapi => output::print(&nat::rest::openapi()),
        Command::Schema => output::print(&nat::graphql::sdl()),
        Command::Config(ConfigCommand::Check(settings)) => server::check(&settings),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "nat", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
}

fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    start(tokio::runtime::Runtime::new(), work)
}

/// On this thread alone: a scan is one task, and threads that wake each other cost it a tenth of its time.
fn block_on_one(work: impl Future<Output = ExitCode>) -> ExitCode {
    start(tokio::runtime::Builder::new_current_thread().enable_all().build(), work)
}

fn start(runtime: std::io::Result<tokio::runtime::Runtime>, work: impl Future<Output = ExitCode>) -> ExitCode {
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => exit::fail(exit::INTERNAL, &format!("cannot start: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
