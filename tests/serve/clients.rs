//! The clients that the field uses, unchanged from PyPI, against the server.

#![expect(clippy::disallowed_methods, reason = "these tests run Python with other people's clients")]

use crate::common::Server;
use crate::python::{Requirements, packages_of};
use std::path::Path;
use std::process::{Command, Output};

const CLIENTS: &[Requirements] = &[
    Requirements { text: include_str!("clients-requirements.txt"), switches: &["--no-deps"] },
    Requirements { text: include_str!("clients-needed-requirements.txt"), switches: &[] },
];

/// Runs a part of the script, where the clients can be had.
fn run(arguments: &[&str]) {
    let Some(clients) = packages_of("python-clients", CLIENTS) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/python_clients.py");
    let mut python = Command::new("python3");
    python.arg(script).args(arguments).env("PYTHONPATH", clients).env("NO_PROXY", "127.0.0.1");
    for name in ["LEAN_SERVER_API_KEY", "LEANSERVER_API_KEY", "LEAN_SERVER_API_URL"] {
        python.env_remove(name);
    }
    let Output { status, stdout, stderr } = python.output().expect("python3 starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.trim_end().ends_with("all as expected"), "{stdout}{stderr}");
}

#[test]
fn kimina_client_gets_what_it_expects() {
    let keys = tempfile::NamedTempFile::new().expect("a file");
    let server = Command::new(env!("CARGO_BIN_EXE_proofloop"))
        .args(["serve", "--new-key", "trainer"])
        .output()
        .expect("the program runs");
    let told = String::from_utf8(server.stdout).expect("text");
    let [key, line] = told.lines().collect::<Vec<_>>()[..] else { panic!("no key: {told}") };
    std::fs::write(keys.path(), line).expect("written");
    let server = Server::with_fake_repl(&["--jobs", "2", "--keys", keys.path().to_str().expect("a path")]);
    run(&["fake", &server.url, key]);
}

#[test]
fn real_lean_kimina_client_gets_what_it_expects() {
    let server = Server::with_lean(&[]);
    run(&["real", &server.url]);
}

#[test]
fn sandbox_fusion_and_verl_get_what_they_expect() {
    let server = Server::with_fake_repl(&[]);
    run(&["fusion", &server.url]);
}
