//! The Python verifier: two wasm interpreters per check, of which only one ever runs the candidate.
//!
//! - Instance **C** runs the candidate and answers requests about its names. It never sees a test.
//! - Instance **T** runs the trusted test program and nothing else. The candidate's names are proxies there; what
//!   they return has been validated by [`wire`] and is made of exact builtin types, or is a remote object
//!   that is equal to nothing but itself.
//!
//! So the candidate can at worst return a *wrong value*, which T compares with operators that the candidate
//! cannot reach. The verdict is the value that T's entry returns through its function table: no text decides it.
//!
//! What differs from running both in one interpreter (all of it towards rejection):
//! - objects of the candidate's own classes compare by identity in the test; order and arithmetic on them raise;
//! - `x in remote` iterates and compares here instead of asking the object;
//! - the test sees the candidate's builtins, modules and helpers only under names that are neither builtin nor
//!   (when used as `name.attribute`) a standard module; HumanEval tests see the entry point only, and the
//!   helpers of the (trusted) prompt are run again in T;
//! - two arguments that are one object arrive as two; in-place changes of list, dict, set, deque and bytearray
//!   arguments are copied back after the call.
//!
//! A test that passes without a call into the candidate says nothing about it: that is `Unavailable`, like a test that
//! does not compile or fails before its first call.

mod install;
mod judge;
mod outcome;
mod program;
mod replay;
mod verifier;
pub mod wire;

pub use install::Guest;
pub use judge::{PythonError, PythonGuest, PythonJudge, PythonLimits};
pub use program::{ProgramEnd, ProgramRun};
pub use proofloop_sandboxes::wasm::CancelFlag;
pub use verifier::PythonWasm;
