//! Mode `batch`: one `lean --json` process for a file of many candidates.

pub mod layout;
pub mod messages;
pub mod run;
pub mod tracker;
