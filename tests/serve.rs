//! `proofloop serve` as its clients use it: over HTTP, and from other programs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it skips, where its pictures are, and what the server has said"
)]

#[path = "serve/browser.rs"]
mod browser;
#[path = "serve/clients.rs"]
mod clients;
#[path = "serve/common.rs"]
mod common;
#[path = "serve/deploy.rs"]
mod deploy;
#[path = "serve/fusion.rs"]
mod fusion;
#[path = "serve/hostile/mod.rs"]
mod hostile;
#[path = "serve/jobs.rs"]
mod jobs;
#[path = "serve/kimina.rs"]
mod kimina;
#[path = "serve/load.rs"]
mod load;
#[path = "serve/mcp.rs"]
mod mcp;
#[path = "serve/page.rs"]
mod page;
#[path = "serve/python.rs"]
mod python;
#[path = "serve/sample_runs.rs"]
mod sample_runs;
#[path = "serve/schemathesis.rs"]
mod schemathesis;
#[path = "serve/verify.rs"]
mod verify;
