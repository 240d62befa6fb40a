//! `proofloop serve` as its clients use it: over HTTP, and from other programs.

#[path = "serve/clients.rs"]
mod clients;
#[path = "serve/common.rs"]
mod common;
#[path = "serve/fusion.rs"]
mod fusion;
#[path = "serve/jobs.rs"]
mod jobs;
#[path = "serve/kimina.rs"]
mod kimina;
#[path = "serve/load.rs"]
mod load;
#[path = "serve/verify.rs"]
mod verify;
