//! Fetches the bundle of GraphiQL from the npm registry, for builds with the feature `graphiql` only. The page then
//! comes from this program alone and works without a network.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A package, and what is taken out of it.
struct Package {
    name: &'static str,
    version: &'static str,
    /// What the registry has to say of it.
    integrity: &'static str,
    /// Paths inside; each keeps its last part.
    files: &'static [&'static str],
}

const PACKAGES: [Package; 3] = [
    Package {
        name: "graphiql",
        version: "3.8.3",
        integrity: "sha512-cuPDYtXVKV86Pu5PHBX642Odi/uVEE2y1Jxq5rGO/Qy1G2lRp7ZZ7a/T30RzxhuLSWo9zUbzq0P3U49//H0Ugw==",
        files: &["graphiql.min.js", "graphiql.min.css"],
    },
    Package {
        name: "react",
        version: "18.3.1",
        integrity: "sha512-wS+hAgJShR0KhEvPJArfuPVN1+Hz1t0Y6n5jLrGQbkb4urgPE/0Rve+1kMB1v/oWgHgm4WIcV+i7F2pTVj+2iQ==",
        files: &["umd/react.production.min.js"],
    },
    Package {
        name: "react-dom",
        version: "18.3.1",
        integrity: "sha512-5m4nQKp+rZRb09LNH59GM4BxTh9251/ylbKIbpe7TpGxfJ+9kv6BLkLBXIjjspbgbnIBNqlI23tRnTWT0snUIw==",
        files: &["umd/react-dom.production.min.js"],
    },
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_GRAPHIQL").is_none() {
        return;
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(why) = PACKAGES.iter().try_for_each(|package| fetch(&out, package)) {
        println!(
            "cargo::error=the feature `graphiql` fetches its bundle from the npm registry, and this failed: {why}"
        );
    }
}

fn fetch(out: &Path, package: &Package) -> Result<(), String> {
    let Package { name, version, integrity, files } = package;
    let said = run(Command::new("npm").args(["pack", "--json", &format!("{name}@{version}")]).current_dir(out))?;
    // npm has compared what it fetched with what it prints.
    if !said.contains(integrity) {
        return Err(format!("{name} {version} is not the one that is expected"));
    }
    let archive = format!("{name}-{version}.tgz");
    for file in *files {
        let (folders, inside) = (file.matches('/').count() + 1, format!("package/{file}"));
        let strip = format!("--strip-components={folders}");
        run(Command::new("tar").args(["-xzf", &archive, &strip, &inside]).current_dir(out))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
