//! The description of the API against the server, by a program that knows nothing but that description.
//!
//! A few seconds with all tests. For longer:
//! `PROOFLOOP_FUZZ_SECONDS=600 cargo test --release --test serve -- schemathesis --nocapture`

#![expect(clippy::disallowed_methods, reason = "schemathesis is a program")]

use crate::common::Server;
use crate::python::packages;
use std::process::Command;

/// What is wrong whatever the description says, and what the description promises.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";

#[test]
fn requests_made_from_the_description() {
    let Some(packages) = packages("python-schemathesis", include_str!("schemathesis-requirements.txt"))
    else {
        return;
    };
    let server = Server::with_fake_repl(&["--longest-timeout", "2s", "--timeout", "2s"]);
    let longer = std::env::var("PROOFLOOP_FUZZ_SECONDS").ok();
    let seconds = longer.clone().unwrap_or_else(|| "20".to_owned());
    let reports = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("python3");
    command.args([
        "-c",
        "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())",
        "run",
    ]);
    command.arg(format!("{}/openapi.json", server.url));
    command.args([
        "--checks",
        CHECKS,
        "--max-time",
        &seconds,
        "--request-timeout",
        "60",
        "--continue-on-failure",
    ]);
    // A case that is refused as often as these are is no sign of a bad description.
    command.args(["--suppress-health-check", "all", "--output-truncate", "false"]);
    if longer.is_none() {
        // The same cases every time.
        command.args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "15",
            "--seed",
            "1",
            "--no-shrink",
        ]);
    }
    let ran = command.env("PYTHONPATH", packages).env("NO_COLOR", "1").current_dir(reports.path()).output();
    let ran = ran.expect("python3");
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}");
    println!("{told}");
}
