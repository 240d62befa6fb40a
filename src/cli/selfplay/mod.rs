//! `proofloop selfplay`.

#[cfg_attr(not(test), expect(dead_code, reason = "the command that shows it is being written"))]
mod state;
#[expect(dead_code, reason = "the command that shows it is being written")]
mod view;
