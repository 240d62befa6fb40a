//! The Lean REPL (leanprover-community/repl): its protocol and a worker that speaks it.
//!
//! Owns the conversation with one REPL process. What a reply means for a candidate's verdict is decided elsewhere.
//!
//! # What a reply is worth
//! The REPL answers on its standard output, where anything that it elaborates may print as well. Three rules keep
//! printed text from being taken for a reply:
//!
//! 1. A reply is a block, ended by a blank line, whose end is one whole JSON object of a known shape
//!    ([`protocol::Response`]). The REPL never prints a blank line inside an object, so no printed beginning can
//!    swallow a reply. A block with two such objects, or with text after the object, is no reply but an error.
//! 2. After each command, and before its outcome is believed, the worker asks for a name made of 128 random bits that
//!    did not exist while the command ran. Everything that arrives up to the answer belongs to the command, and must be
//!    exactly one reply with the one environment number that is due. A forged reply therefore stands beside the real
//!    one, and the two cost the candidate its verdict here ([`ReplError::Ambiguous`]).
//! 3. Requests never say what to answer, and no environment that a candidate made is used again.
//!
//! What this cannot do: a candidate that runs code of its own inside the process (meta programs, `initialize`,
//! `IO.setStdout`) owns the process. It can hold back the real reply or read our question before it answers itself.
//! The policy scan must refuse such candidates before they come here, and the process must be thrown away after one
//! that was let through.

mod codec;
mod io;
pub mod protocol;
mod worker;

pub use codec::{CodecError, Frame, ReplyDecoder};
pub use io::{End, Ended, IoError, ReplIo, ReplSource, SandboxIo, SandboxSource};
pub use worker::{Ran, ReplError, ReplFailure, ReplOutcome, ReplSettings, ReplWorker, Stage};
