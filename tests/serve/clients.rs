//! The clients that the field uses, unchanged from PyPI, against the server.

#![expect(clippy::disallowed_methods, reason = "these tests run Python with other people's clients")]

use crate::common::Server;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The clients, without what they ask for and don't need here (kimina-client wants pandas and arrow for its benchmark).
const CLIENTS: &[&str] = &["kimina-client==0.2.1", "sandbox-fusion==0.3.7"];

/// What they import.
const NEEDED: &[&str] = &[
    "aiohttp",
    "colorama",
    "httpx",
    "pydantic",
    "pygments",
    "requests",
    "tabulate",
    "tenacity",
    "tqdm",
    "typing_extensions",
];

/// Where the clients are, or why they can't be had.
fn clients() -> Result<&'static Path, &'static str> {
    static CLIENTS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    CLIENTS.get_or_init(install).as_deref().map_err(String::as_str)
}

/// Once for all runs. Where there is no network there is nothing to test; whatever else goes wrong is a failure.
fn install() -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-clients");
    let all = [CLIENTS, NEEDED].concat().join("\n");
    if std::fs::read_to_string(place.join("installed")).is_ok_and(|installed| installed == all) {
        return Ok(place);
    }
    let pip = |arguments: &[&str]| Command::new("python3").args(["-m", "pip"]).args(arguments).output();
    if !pip(&["--version"]).is_ok_and(|output| output.status.success()) {
        return Err("there is no python3 with pip".to_owned());
    }
    let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let target = fresh.path().to_str().expect("a path");
    let quiet = ["install", "--quiet", "--no-warn-script-location", "--target", target];
    for packages in [&[&["--no-deps"], CLIENTS].concat(), NEEDED] {
        let output = pip(&[&quiet[..], packages].concat()).expect("pip runs");
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && told.contains("connection broken by") {
            return Err("PyPI can't be reached".to_owned());
        }
        assert!(output.status.success(), "{told}");
    }
    std::fs::write(fresh.path().join("installed"), all).expect("written");
    if place.exists() {
        std::fs::remove_dir_all(&place).expect("removed");
    }
    std::fs::rename(fresh.keep(), &place).expect("moved");
    Ok(place)
}

/// Runs a part of the script, or says why it can't be run.
fn run(arguments: &[&str]) {
    let clients = match clients() {
        Ok(clients) => clients,
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
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
