//! Generation as a program that uses the library sees it: exactness above all, then text, order, limits and errors.

#[path = "generate/common.rs"]
mod common;
#[path = "generate/company.rs"]
mod company;
#[path = "generate/errors.rs"]
mod errors;
#[path = "generate/exact.rs"]
mod exact;
#[path = "generate/flow.rs"]
mod flow;
