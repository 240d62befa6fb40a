//! Standard output is data, standard error is talk. Nothing else in this crate writes to either.

use super::exit::{Exit, UsageError};
use super::farm::NoGuest;
use crate::evaluate::EvaluateError;
use crate::fetch::FetchError;
use crate::folder::FolderError;
use crate::generate::GenerateError;
use crate::selfdebug::SelfDebugError;
use crate::selfplay::SelfPlayError;
use crate::train::TrainError;
use proofloop_datasets::ReadError;
use proofloop_datasets::errata::ErrataError;
use proofloop_datasets::registry::RegistryError;
use proofloop_datasets::store::StoreError;
use proofloop_verifiers::install::InstallError;
use proofloop_verifiers::lean::toolchain::ToolchainError;
use std::io::Write;
use std::process::ExitCode;

/// Writes a line of data.
///
/// # Errors
/// Standard output is closed or full.
pub(super) fn data(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Writes a piece of a text, to be seen at once.
///
/// # Errors
/// As [`data`].
pub(super) fn piece(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line for people.
pub(super) fn say(line: &str) {
    // Nobody can be told that standard error is closed.
    let _nowhere_to_say_it = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints an error with its chain and its hint, once.
pub(super) fn error(error: &anyhow::Error) {
    say(&format!("error: {error:#}"));
    if let Some(hint) = hint(error) {
        say(&format!(" hint: {hint}"));
    }
}

/// Prints an error that ends the command.
pub(super) fn failure(failure: &anyhow::Error) -> ExitCode {
    let closed = failure.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    });
    if closed {
        // `proofloop verify … | head`: the reader has what it wanted, and nobody needs to be told. But 0 would say
        // that everything was accepted.
        return Exit::NobodyReads.into();
    }
    error(failure);
    exit(failure).into()
}

/// Whose fault it is.
pub(super) fn exit(failure: &anyhow::Error) -> Exit {
    // Where it is a context, `chain` has it inside a type of anyhow's.
    if failure.is::<UsageError>() {
        return Exit::Input;
    }
    let known = failure.chain().find_map(|cause| {
        let no_project = |error: &ToolchainError| matches!(error, ToolchainError::NoProject { .. });
        let is_input = cause.is::<UsageError>()
            || cause.is::<ReadError>()
            || cause.is::<ErrataError>()
            || cause.downcast_ref::<ToolchainError>().is_some_and(no_project);
        let by_folder = || cause.downcast_ref::<FolderError>().and_then(of_folder);
        let by_evaluation = || cause.downcast_ref::<EvaluateError>().and_then(of_an_evaluation);
        let by_run = || cause.downcast_ref::<SelfPlayError>().and_then(of_a_run);
        let by_debugging = || cause.downcast_ref::<SelfDebugError>().and_then(of_self_debugging);
        let by_training = || cause.downcast_ref::<TrainError>().map(of_training);
        let by_generating = || cause.downcast_ref::<GenerateError>().map(of_generating);
        let by_store = || cause.downcast_ref::<StoreError>().map(of_store);
        let by_registry = || cause.downcast_ref::<RegistryError>().map(of_registry);
        let known =
            is_input.then_some(Exit::Input).or_else(by_run).or_else(by_debugging).or_else(by_training);
        known
            .or_else(by_generating)
            .or_else(by_store)
            .or_else(by_folder)
            .or_else(by_evaluation)
            .or_else(by_registry)
    });
    known.unwrap_or(Exit::Infrastructure)
}

/// What a run failed of, where not what it rests on decides.
fn of_a_run(error: &SelfPlayError) -> Option<Exit> {
    match error {
        SelfPlayError::Setting { .. } | SelfPlayError::Problems { .. } | SelfPlayError::Select(_) => {
            Some(Exit::Input)
        }
        SelfPlayError::Folder(error) => of_folder(error),
        SelfPlayError::Interrupted => Some(Exit::Interrupted),
        SelfPlayError::Io { .. }
        | SelfPlayError::Unavailable { .. }
        | SelfPlayError::Checker { .. }
        | SelfPlayError::FarmEnded
        | SelfPlayError::Worker(_) => Some(Exit::Infrastructure),
        SelfPlayError::Store(_)
        | SelfPlayError::Generate(_)
        | SelfPlayError::Train(_)
        | SelfPlayError::Model(_) => None,
    }
}

/// What a run of self-debugging failed of, where not what it rests on decides.
fn of_self_debugging(error: &SelfDebugError) -> Option<Exit> {
    match error {
        SelfDebugError::Setting { .. } | SelfDebugError::Problems { .. } => Some(Exit::Input),
        SelfDebugError::Part(error) => of_a_run(error),
        SelfDebugError::Store(_)
        | SelfDebugError::Generate(_)
        | SelfDebugError::Train(_)
        | SelfDebugError::Model(_)
        | SelfDebugError::Embed(_) => None,
    }
}

/// What an evaluation failed of, where not what it rests on decides.
fn of_an_evaluation(error: &EvaluateError) -> Option<Exit> {
    match error {
        EvaluateError::Problems { .. } | EvaluateError::Prompt { .. } => Some(Exit::Input),
        EvaluateError::Folder(error) => of_folder(error),
        EvaluateError::Interrupted => Some(Exit::Interrupted),
        EvaluateError::Checker { .. } | EvaluateError::FarmEnded | EvaluateError::Worker(_) => {
            Some(Exit::Infrastructure)
        }
        EvaluateError::Store(_) | EvaluateError::Generate(_) => None,
    }
}

/// `None` where what it rests on decides.
fn of_folder(error: &FolderError) -> Option<Exit> {
    match error {
        FolderError::Folder { .. } => Some(Exit::Input),
        FolderError::Io { .. } => Some(Exit::Infrastructure),
        FolderError::File(_) => None,
    }
}

fn of_training(error: &TrainError) -> Exit {
    match error {
        TrainError::Examples(_) | TrainError::Setting { .. } | TrainError::Checkpoint { .. } => Exit::Input,
        TrainError::NotFinite { .. } | TrainError::Unsound { .. } => Exit::NotAccepted,
        TrainError::NoGradient { .. }
        | TrainError::Replica { .. }
        | TrainError::Io { .. }
        | TrainError::Save { .. }
        | TrainError::Model(_)
        | TrainError::Compute(_) => Exit::Infrastructure,
    }
}

/// A store that is no store, or another version's, was named by the user; what else happens to one is the machine's.
fn of_store(error: &StoreError) -> Exit {
    let is_input = matches!(
        error,
        StoreError::Missing { .. } | StoreError::NotAStore { .. } | StoreError::Format { .. }
    );
    if is_input { Exit::Input } else { Exit::Infrastructure }
}

fn of_registry(error: &RegistryError) -> Exit {
    match error {
        RegistryError::Unknown { .. }
        | RegistryError::Missing { .. }
        | RegistryError::OtherHash { .. }
        | RegistryError::Read(_) => Exit::Input,
        RegistryError::Io { .. } => Exit::Infrastructure,
    }
}

/// What one prompt, or all, failed of.
pub(super) fn of_generating(error: &GenerateError) -> Exit {
    match error {
        GenerateError::Setting { .. }
        | GenerateError::Prompt { .. }
        | GenerateError::NotFinite
        | GenerateError::Rejected { .. } => Exit::Input,
        GenerateError::ShutDown
        | GenerateError::Model(_)
        | GenerateError::Client { .. }
        | GenerateError::Unreachable { .. }
        | GenerateError::Key { .. }
        | GenerateError::Route { .. }
        | GenerateError::NoAnswer { .. }
        | GenerateError::Interrupted { .. } => Exit::Infrastructure,
    }
}

/// What the user can do about it, if we know.
pub(super) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        cause
            .downcast_ref::<ToolchainError>()
            .map(ToolchainError::hint)
            .or_else(|| cause.downcast_ref::<NoGuest>().map(NoGuest::hint))
            .or_else(|| cause.downcast_ref::<InstallError>().and_then(InstallError::hint))
            .or_else(|| cause.downcast_ref::<TrainError>().and_then(training_hint))
            .or_else(|| cause.downcast_ref::<GenerateError>().and_then(generating_hint))
            .or_else(|| cause.downcast_ref::<RegistryError>().and_then(registry_hint))
            .or_else(|| cause.downcast_ref::<FetchError>().and_then(fetch_hint))
    })
}

fn training_hint(error: &TrainError) -> Option<&'static str> {
    match error {
        TrainError::NotFinite { .. } | TrainError::Unsound { .. } => Some(
            "try a lower --learning-rate, more --warmup-steps, a lower --clip, or --dtype f32, into another --out",
        ),
        TrainError::Save { .. } => {
            Some("make room, then give the same command again: it goes on where it was")
        }
        TrainError::Examples(_)
        | TrainError::Setting { .. }
        | TrainError::NoGradient { .. }
        | TrainError::Replica { .. }
        | TrainError::Io { .. }
        | TrainError::Checkpoint { .. }
        | TrainError::Model(_)
        | TrainError::Compute(_) => None,
    }
}

fn generating_hint(error: &GenerateError) -> Option<&'static str> {
    match error {
        GenerateError::Key { .. } => Some("the key is read from the variable that --api-key-env names"),
        GenerateError::Unreachable { .. } => Some("look whether the server runs, and at the port in its URL"),
        GenerateError::Setting { .. }
        | GenerateError::Prompt { .. }
        | GenerateError::NotFinite
        | GenerateError::ShutDown
        | GenerateError::Model(_)
        | GenerateError::Client { .. }
        | GenerateError::Route { .. }
        | GenerateError::Rejected { .. }
        | GenerateError::NoAnswer { .. }
        | GenerateError::Interrupted { .. } => None,
    }
}

fn registry_hint(error: &RegistryError) -> Option<&'static str> {
    match error {
        RegistryError::Missing { .. } => Some(
            "`proofloop data fetch NAME` brings it; --data-dir or PROOFLOOP_DATA says where it is already",
        ),
        RegistryError::OtherHash { .. } => Some("--allow-other-hash reads it all the same"),
        RegistryError::Unknown { .. } => {
            Some("`proofloop data list` describes them; a file is named by its path")
        }
        RegistryError::Io { .. } | RegistryError::Read(_) => None,
    }
}

fn fetch_hint(error: &FetchError) -> Option<&'static str> {
    match error {
        FetchError::Unreachable { .. } | FetchError::Silent { .. } => Some(
            "without a network, get the file elsewhere and put it where the message says; --mirror names another host",
        ),
        FetchError::Address { .. }
        | FetchError::Tls(_)
        | FetchError::Status { .. }
        | FetchError::TooLong { .. }
        | FetchError::OtherHash { .. }
        | FetchError::Write { .. } => None,
    }
}
