//! The command line: one file per command, `Args` as typed, then settings, then the library.

mod backend;
mod bench;
mod compare;
mod compute;
mod data;
mod doctor;
mod equipment;
mod eval;
pub mod exit;
mod export;
mod farm;
mod generate;
mod generator;
mod isabelle;
mod mcp;
mod output;
mod problem_source;
mod report;
mod selfdebug;
mod selfplay;
mod serve;
mod setup;
mod signals;
mod train;
mod verify;
mod whole_file;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "proofloop", version, about, long_about = None, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what judging needs: a Lean toolchain (if none is found) and the Python guest
    Setup(setup::Args),
    /// Say what is there, what this host enforces, and what is missing
    Doctor(doctor::Args),
    /// Judge candidates: `.lean`, `.thy` or `.py` files, or JSONL
    Verify(verify::Args),
    /// Judge for others: a server that clients of Kimina Lean Server and SandboxFusion can switch to
    Serve(Box<serve::Args>),
    /// Judge for an agent: the server's tools over standard input and output (MCP)
    Mcp(Box<mcp::Args>),
    /// Teach a model: JSONL of prompts and completions to weights
    Train(Box<train::Args>),
    /// Ask a model: prompts to completions, by our own engine or a server
    Generate(Box<generate::Args>),
    /// Measure pass@k: of any generator, or of samples made elsewhere, on any data set
    Eval(Box<eval::Args>),
    /// Compare two evaluations on the same problems
    Compare(compare::Args),
    /// Let a model teach itself: conjecture, prove, verify, select, train
    Selfplay(Box<selfplay::Args>),
    /// Learn from one's own failures: try, hear what was wrong, explain, refine
    Selfdebug(Box<selfdebug::Args>),
    /// Write what a run has found: proofs, conjectures, examples
    Export(export::Args),
    /// Draw a run: one HTML page with what it learnt, what it cost, and whether it collapses
    Report(report::Args),
    /// Data sets: list, show, validate, convert, fetch, and find what two of them share
    Data(Box<data::Args>),
    /// Measure this machine: the verifier beside hand-made baselines, the model beside PyTorch
    #[command(subcommand)]
    Bench(bench::Command),
}

/// Lets candle compute with one thread, for the commands that use cores by replicas: each replica, or worker, is a thread
/// that computes by itself. candle asks the variable `RAYON_NUM_THREADS` at every product of matrices, and nothing else,
/// so it must be set; whoever has set it is obeyed. Other commands are left alone, because wasmtime compiles with rayon.
///
/// # Safety
/// No other thread runs: it might read the environment meanwhile.
pub unsafe fn one_thread_for_each_replica() {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let is_no_bench = |name: &std::ffi::OsString| name != "bench";
    let command = std::env::args_os().skip(1).take(2).find(is_no_bench);
    let uses_replicas = command.is_some_and(|name| {
        ["train", "generate", "selfplay", "selfdebug", "eval"].iter().any(|one| name == *one)
    });
    if uses_replicas && std::env::var_os(VARIABLE).is_none() {
        // SAFETY: the caller's promise.
        #[expect(clippy::disallowed_methods, reason = "before there is a second thread")]
        unsafe {
            std::env::set_var(VARIABLE, "1");
        }
    }
}

/// The log goes to standard error. A server tells of every request, one JSON object a line if it is asked for that.
fn start_log(command: &Command) {
    // The server that is measured tells as much as one in use, but not between the lines of the report.
    let is_measured = matches!(command, Command::Bench(bench::Command::Serve(_)));
    // The MCP library tells of every message.
    let talks = "info,rmcp=warn";
    let (level, json) = if let Command::Serve(args) = command {
        (talks, args.logs_json())
    } else {
        (if is_measured { talks } else { "warn" }, false)
    };
    let nameless = is_measured.then(tempfile::tempfile).and_then(Result::ok).map(std::sync::Arc::new);
    let filter = tracing_subscriber::EnvFilter::try_from_env("PROOFLOOP_LOG")
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if let Some(file) = nameless {
        log.with_ansi(false).with_writer(file).init();
    } else if json {
        log.json().init();
    } else {
        log.init();
    }
}

/// A thread for each core where the command computes, and for every second one where it serves: workers have the others, and
/// each event of theirs would wake a second thread, too. `TOKIO_WORKER_THREADS` says otherwise.
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let serves = matches!(command, Command::Serve(_) | Command::Bench(bench::Command::Serve(_)));
    if serves && std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        builder.worker_threads(cores.div_ceil(2));
    }
    builder.enable_all().build()
}

/// Parses the arguments, runs the command, and prints an error chain once.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::of_clap(&error),
    };
    start_log(&cli.command);
    let runtime = match runtime(&cli.command) {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let result: anyhow::Result<Exit> = runtime.block_on(async {
        match cli.command {
            Command::Setup(args) => setup::run(&args).await,
            Command::Doctor(args) => doctor::run(&args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Serve(args) => serve::run(*args).await,
            Command::Mcp(args) => mcp::run(*args).await,
            Command::Train(args) => train::run(*args).await,
            Command::Generate(args) => generate::run(*args).await,
            Command::Eval(args) => eval::run(*args).await,
            Command::Compare(args) => compare::run(&args),
            Command::Selfplay(args) => selfplay::run(*args).await,
            Command::Selfdebug(args) => selfdebug::run(*args).await,
            Command::Export(args) => export::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Data(args) => data::run(*args).await,
            Command::Bench(command) => bench::run(command).await,
        }
    });
    // A blocking read of standard input must not keep a finished program alive.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => output::failure(&error),
    }
}
