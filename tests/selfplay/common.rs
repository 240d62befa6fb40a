//! A small run, and the program that runs it.

#![expect(clippy::disallowed_methods, reason = "these tests start the program itself and send it signals")]

use proofloop::selfdebug;
use proofloop::selfdebug::settings::Language;
use proofloop::selfplay::presets::Preset;
use proofloop::selfplay::settings::Settings;
use proofloop_datasets::Split;
use proofloop_datasets::store::RunStore;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Where a test's runs lie.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    fake: bool,
}

/// A number that is not 0.
pub(crate) fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not 0")
}

/// Two rounds of everything, as little as possible of each. Under the fake REPL every tactic closes every goal but one, so
/// that one is what is tried in screening.
pub(crate) fn small() -> Settings {
    let mut settings = Preset::Nano.settings(5);
    settings.iterations = 2;
    settings.problems.limit = Some(24);
    settings.sampling.first_round = count(2);
    settings.sampling.samples = count(2);
    settings.sampling.max_proof_tokens = count(24);
    settings.sampling.max_conjecture_tokens = count(48);
    settings.evaluation.samples = 1;
    settings.evaluation.ks = vec![1];
    let sft = settings.initial.sft.as_mut().expect("nano learns first");
    sft.learn.epochs = 6;
    let conjecturing = settings.conjecturing.as_mut().expect("nano conjectures");
    conjecturing.screening.cheap_tactics = vec!["no_such_tactic".to_owned()];
    conjecturing.screening.contradiction_tactics = vec!["no_such_tactic".to_owned()];
    conjecturing.select.pass_rate = None;
    settings
}

/// Every stage of self-debugging, as little as possible of each.
pub(crate) fn small_debugging() -> selfdebug::settings::Settings {
    let mut settings = selfdebug::settings::Settings::nano(Language::Python, 3);
    settings.tasks.planted = 60;
    settings.tasks.planted_held_out = 4;
    settings.tasks.limit = Some(8);
    settings.tasks.held_out = Split::Valid;
    settings.base.learn.epochs = 6;
    settings.base.debug_share = 0.5;
    settings.collect.problems = 8;
    settings.collect.samples = count(2);
    settings.collect.refinements = count(2);
    settings.collect.planted_bugs = 30;
    settings.sft.learn.epochs = 1;
    let rl = settings.rl.as_mut().expect("nano reinforces");
    rl.iterations = 2;
    rl.problems = 8;
    rl.samples = count(1);
    rl.refinements = count(2);
    settings.evaluation.samples = 1;
    settings.evaluation.max_tokens = count(32);
    settings
}

impl Place {
    /// Judged by tests, in the guest that `proofloop setup` has installed.
    pub(crate) fn with_python() -> Self {
        Self::with_lean()
    }

    /// Judged by the REPL of `verifiers/tests/fake_repl`: what is tested is the loop, and Lean takes seconds to start.
    pub(crate) fn with_fake_repl() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), fake: true }
    }

    /// Judged by Lean.
    pub(crate) fn with_lean() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), fake: false }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a settings file for `--settings`.
    pub(crate) fn settings(&self, settings: &impl serde::Serialize) -> PathBuf {
        let path = self.join("settings.toml");
        fs::write(&path, toml::to_string(settings).expect("TOML")).expect("written");
        path
    }

    /// `proofloop` here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofloop"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        if self.fake && arguments[0] == "selfplay" {
            let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/tests/fake_repl/fake_repl.py");
            command.args(["--mode", "repl", "--memory", "256MiB"]).env("PROOFLOOP_REPL", fake);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Starts it with nobody listening.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let errors = fs::File::options().create(true).append(true).open(self.join("stderr")).expect("a file");
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(errors).spawn().expect("the program starts")
    }

    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.join("stderr")).unwrap_or_default()
    }

    pub(crate) fn store(&self, run: &str) -> RunStore {
        RunStore::open_read_only(&self.join(run).join("store.sqlite")).expect("a store")
    }

    /// Everything that a run has found out, as text.
    pub(crate) fn dump(&self, run: &str) -> String {
        let mut text = Vec::new();
        self.store(run).dump(&mut text).expect("dumps");
        String::from_utf8(text).expect("UTF-8")
    }
}

/// What the program said, for a failure.
pub(crate) fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}
