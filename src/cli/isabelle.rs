//! Isabelle on the command line: what the user says about it, and where it is found.

use super::exit::UsageError;
use super::farm;
use anyhow::Context;
use proofloop_sandboxes::process::{Launcher, Layer};
use proofloop_verifiers::isabelle::policy::Rules;
use proofloop_verifiers::isabelle::{self, BatchTool, Installation, IsabelleServer, NoIsabelle};
use proofloop_verifiers::verifier::Verifier;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the problems of miniF2F import besides HOL itself.
const INCLUDED: [&str; 3] = ["HOL-Library", "HOL-Computational_Algebra", "HOL-Number_Theory"];

/// How Isabelle candidates are judged.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Judging Isabelle")]
pub(super) struct IsabelleArgs {
    /// The session on whose heap Isabelle proofs are checked
    #[arg(long, value_name = "SESSION", default_value = "HOL")]
    isabelle_session: String,
    /// A further directory with ROOT files of Isabelle sessions; may be repeated
    #[arg(long, value_name = "DIR")]
    isabelle_dir: Vec<PathBuf>,
    /// A further session whose theories can be imported; may be repeated, and then these are all
    #[arg(long, value_name = "SESSION", default_values = INCLUDED)]
    isabelle_include: Vec<String>,
    /// What an Isabelle proof may rest on
    #[arg(long, value_enum, default_value = "strict")]
    isabelle_rules: RulesName,
    /// Check what an Isabelle session accepts once more in batch mode, with this tool
    #[arg(long, value_enum)]
    isabelle_audit: Option<AuditName>,
}

impl Default for IsabelleArgs {
    /// As where nothing is said on the command line.
    fn default() -> Self {
        Self {
            isabelle_session: "HOL".to_owned(),
            isabelle_dir: Vec::new(),
            isabelle_include: INCLUDED.map(str::to_owned).to_vec(),
            isabelle_rules: RulesName::Strict,
            isabelle_audit: None,
        }
    }
}

impl IsabelleArgs {
    /// Whether what a session accepts is checked once more.
    pub(super) fn is_audited(&self) -> bool {
        self.isabelle_audit.is_some()
    }
}

/// Rules for Isabelle proofs, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RulesName {
    /// On no oracle
    Strict,
    /// On no oracle but the code generator's (`eval`, `normalization`)
    Evaluation,
    /// As STP's evaluations: `sledgehammer` stands for ten methods, `mason`, `smt`, `metis` and `sos` are refused
    Stp,
}

impl From<RulesName> for Rules {
    fn from(name: RulesName) -> Self {
        match name {
            RulesName::Strict => Self::Strict,
            RulesName::Evaluation => Self::Evaluation,
            RulesName::Stp => Self::Stp,
        }
    }
}

/// Tools for audits, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AuditName {
    /// `isabelle build`
    Build,
    /// `isabelle process_theories`, from Isabelle2025-1 on
    ProcessTheories,
}

impl From<AuditName> for BatchTool {
    fn from(name: AuditName) -> Self {
        match name {
            AuditName::Build => Self::Build,
            AuditName::ProcessTheories => Self::ProcessTheories,
        }
    }
}

/// The program that `PROOFLOOP_ISABELLE` names, or the one on the path.
pub(super) fn program() -> Option<PathBuf> {
    let on_path = || {
        let folders = variable("PATH")?;
        std::env::split_paths(&folders)
            .map(|folder| folder.join("isabelle"))
            .find(|program| program.is_file())
    };
    variable("PROOFLOOP_ISABELLE").map(PathBuf::from).or_else(on_path)
}

/// What that program is.
pub(super) async fn installation(
    launcher: &Launcher,
    program: &Path,
    optional: &BTreeSet<Layer>,
) -> Result<Installation, NoIsabelle> {
    let heaps = variable("PROOFLOOP_ISABELLE_HEAPS").map(PathBuf::from);
    isabelle::discover(launcher, program, heaps, optional).await
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The verifier that was asked for.
pub(super) async fn verifier(
    settings: &farm::Settings,
    launcher: &Launcher,
) -> anyhow::Result<Arc<dyn Verifier>> {
    let program = program().ok_or_else(|| {
        UsageError("there is no `isabelle` on the path: set PROOFLOOP_ISABELLE to the program".to_owned())
    })?;
    let optional = &settings.limits.optional_layers;
    let found = installation(launcher, &program, optional).await.context("cannot judge Isabelle")?;
    let args = &settings.isabelle;
    let memory_bytes = settings.limits.memory_bytes;
    let mut of_worker =
        isabelle::Settings::new(&args.isabelle_session, settings.limits.timeout, memory_bytes);
    of_worker.dirs.clone_from(&args.isabelle_dir);
    of_worker.include_sessions.clone_from(&args.isabelle_include);
    of_worker.rules = args.isabelle_rules.into();
    let audit = args.isabelle_audit.map(BatchTool::from);
    let optional = optional.clone();
    Ok(Arc::new(IsabelleServer::new(launcher.clone(), found, of_worker, memory_bytes, optional, audit)))
}
