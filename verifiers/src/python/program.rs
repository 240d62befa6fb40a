//! A Python program for its output, not for a verdict.

use super::judge::{PythonJudge, PythonLimits};
use super::outcome::Failure;
use super::wire;
use crate::verdict::Usage;
use proofloop_sandboxes::wasm::{CancelFlag, Outcome, Step};
use std::time::Instant;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramEnd {
    /// By itself, with this status: 1 after an exception that nobody caught, as everywhere with Python.
    Exited(i32),
    /// At the limit of time.
    Timeout,
    /// At the limit of memory.
    MemoryLimit,
    /// At the limit of output.
    OutputLimit,
    /// Whoever asked for it gave up.
    Cancelled,
    /// It crashed its interpreter.
    Crashed {
        /// How, in words.
        how: String,
    },
    /// It could not be run: nobody's fault but ours.
    Unavailable {
        /// Why, in words.
        cause: String,
    },
}

/// A program that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramRun {
    /// How it ended.
    pub end: ProgramEnd,
    /// What it wrote to its standard output; invalid UTF-8 is replaced.
    pub stdout: String,
    /// What it wrote to its standard error, with the traceback of an exception that nobody caught.
    pub stderr: String,
    /// What it cost.
    pub usage: Usage,
    /// The protection that was in force, by name.
    pub protection: Vec<String>,
}

impl PythonJudge {
    /// Runs a program on the calling thread, in an instance of its own without files and network.
    #[must_use]
    pub fn run_program(
        &self,
        code: &str,
        stdin: &str,
        limits: &PythonLimits,
        cancel: &CancelFlag,
    ) -> ProgramRun {
        let started = Instant::now();
        let kept_bytes = usize::try_from(limits.output_bytes).unwrap_or(usize::MAX / 4).saturating_mul(2);
        let policy = self.policy(limits, limits.wall, kept_bytes);
        let protection = policy.protection();
        let stdin = stdin.as_bytes().to_vec();
        let mut program = match self.snapshot().start("program", &policy, stdin, cancel.clone()) {
            Ok(program) => program,
            Err(error) => {
                let end = ProgramEnd::Unavailable { cause: crate::chain(&error) };
                let (stdout, stderr, usage) = (String::new(), String::new(), Usage::default());
                return ProgramRun { end, stdout, stderr, usage, protection };
            }
        };
        let step = program.resume(Some(wire::encode(&code.into())));
        let used = program.usage();
        let (end, traceback) = self.end_of(step, used.memory_refused);
        let mut stderr = program.stderr().to_text();
        stderr.push_str(&traceback);
        ProgramRun {
            end,
            stdout: program.stdout().to_text(),
            stderr,
            usage: Usage::new(started.elapsed(), used.cpu, used.peak_memory_bytes),
            protection,
        }
    }

    fn end_of(&self, step: Step, memory_refused: bool) -> (ProgramEnd, String) {
        let outcome = match step {
            Step::Waiting(_) => {
                let how = "it reads the channel between interpreter and host".to_owned();
                return (ProgramEnd::Crashed { how }, String::new());
            }
            Step::Finished(Some(failure), Outcome::Returned(_)) => {
                let failure = Failure::parse(&failure);
                let ran_out = failure.is("MemoryError") && memory_refused;
                let end =
                    if ran_out { ProgramEnd::MemoryLimit } else { ProgramEnd::Exited(failure.status()) };
                return (end, failure.traceback());
            }
            Step::Finished(_, outcome) => outcome,
        };
        let end = match outcome {
            Outcome::Returned(address) => ProgramEnd::Exited(i32::from(address != self.true_address())),
            Outcome::Exited(status) => ProgramEnd::Exited(status),
            Outcome::Timeout | Outcome::FuelLimit => ProgramEnd::Timeout,
            Outcome::Cancelled => ProgramEnd::Cancelled,
            Outcome::OutputLimit | Outcome::MessageLimit => ProgramEnd::OutputLimit,
            Outcome::NotStarted { why } => ProgramEnd::Unavailable { cause: why },
            Outcome::Trap { .. } if memory_refused => ProgramEnd::MemoryLimit,
            Outcome::Trap { kind } => ProgramEnd::Crashed { how: kind },
        };
        (end, String::new())
    }
}
