//! `proofloop serve` as its clients use it: over HTTP, and from other programs.

#[path = "serve/common.rs"]
mod common;
#[path = "serve/deploy.rs"]
mod deploy;
#[path = "serve/hostile/mod.rs"]
mod hostile;
#[path = "serve/jobs.rs"]
mod jobs;
#[path = "serve/mcp.rs"]
mod mcp;
#[path = "serve/python.rs"]
mod python;
#[path = "serve/schemathesis.rs"]
mod schemathesis;
#[path = "serve/verify.rs"]
mod verify;
