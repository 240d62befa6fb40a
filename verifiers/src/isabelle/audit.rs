//! Final audits: the theory once more, in batch mode, where `sorry` is an error and no session is shared.

use super::server::{self, Installation};
use super::theory::Layout;
use super::worker::{Expected, Settings, Source, canaries};
use crate::process_end;
use proofloop_sandboxes::process::{Finished, Outcome, Program};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

const BATCH: &str = include_str!("batch.sh");

/// Which tool checks a theory in batch mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchTool {
    /// `isabelle build`, on a session of one theory.
    Build,
    /// `isabelle process_theories`, from Isabelle2025-1 on.
    ProcessTheories,
}

/// What a batch run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Batch {
    /// Every command went through.
    Passed,
    /// Some did not.
    Failed,
    /// Its time was over.
    Timeout,
    /// Its memory was used up.
    MemoryLimit,
    /// It did not come to check anything.
    Broken(String),
}

/// Runs batch checks.
#[derive(Debug)]
pub(super) struct Audit {
    source: Source,
    settings: Settings,
    tool: BatchTool,
    /// Whether this Isabelle takes `sorry` for an error in batch mode: one version did not.
    canary: OnceCell<Result<(), String>>,
}

impl Audit {
    pub(super) fn new(source: Source, settings: Settings, tool: BatchTool) -> Self {
        Self { source, settings, tool, canary: OnceCell::new() }
    }

    /// Checks a theory, after the canary.
    pub(super) async fn check(&self, layout: &Layout) -> Batch {
        match self.canary.get_or_init(|| self.canary()).await {
            Ok(()) => self.run(layout).await,
            Err(cause) => Batch::Broken(cause.clone()),
        }
    }

    async fn canary(&self) -> Result<(), String> {
        for canary in canaries(0) {
            let (layout, expected) = canary.map_err(|error| error.to_string())?;
            let wanted = if expected == Expected::Accepted { Batch::Passed } else { Batch::Failed };
            let batch = self.run(&layout).await;
            if batch != wanted {
                return Err(format!(
                    "this Isabelle is not to be trusted in batch mode: {batch:?} instead of {wanted:?}"
                ));
            }
        }
        Ok(())
    }

    async fn run(&self, layout: &Layout) -> Batch {
        match self.try_run(layout).await {
            Ok(finished) => batch(&finished),
            Err(cause) => Batch::Broken(cause),
        }
    }

    async fn try_run(&self, layout: &Layout) -> Result<Finished, String> {
        let Source { launcher, installation, bounds, scratch } = &self.source;
        let folder = scratch.directory().map_err(|error| format!("no folder: {error}"))?;
        let write = |name: String, text: &str| {
            std::fs::write(folder.path().join(name), text).map_err(|error| format!("cannot write: {error}"))
        };
        write(format!("{}.thy", layout.name), &layout.text)?;
        write("ROOT".to_owned(), &root(layout, &self.settings))?;
        let mut policy = server::policy(installation, bounds, folder.path());
        policy.wall = self.settings.check_timeout + self.settings.start_timeout;
        let settings = server::settings(installation, bounds);
        let program =
            program(installation, settings, folder.path().to_owned(), self.arguments(layout, folder.path()));
        let finished = launcher.run(&program, &policy, &CancellationToken::new()).await;
        finished.map_err(|error| crate::chain(&error))
    }

    fn arguments(&self, layout: &Layout, folder: &std::path::Path) -> Vec<String> {
        let dirs = self.settings.dirs.iter().map(|dir| dir.display().to_string());
        let mut arguments = match self.tool {
            BatchTool::Build => vec!["build".to_owned(), "-d".to_owned(), folder.display().to_string()],
            BatchTool::ProcessTheories => {
                let file = folder.join(format!("{}.thy", layout.name)).display().to_string();
                ["process_theories", "-O", "-l", &self.settings.session, "-f", &file]
                    .map(str::to_owned)
                    .to_vec()
            }
        };
        arguments.extend(dirs.flat_map(|dir| ["-d".to_owned(), dir]));
        for option in options(self.settings.check_timeout) {
            arguments.extend(["-o".to_owned(), option]);
        }
        arguments.push(match self.tool {
            BatchTool::Build => session_name(layout),
            BatchTool::ProcessTheories => layout.name.clone(),
        });
        arguments
    }
}

fn options(timeout: Duration) -> [String; 3] {
    let seconds = timeout.as_secs_f64();
    ["quick_and_dirty=false".to_owned(), "skip_proofs=false".to_owned(), format!("timeout={seconds}")]
}

fn session_name(layout: &Layout) -> String {
    format!("Audit_{}", layout.name)
}

/// The session of one theory.
fn root(layout: &Layout, settings: &Settings) -> String {
    let sessions: String =
        settings.include_sessions.iter().map(|session| format!(" \"{session}\"")).collect();
    let sessions = if sessions.is_empty() { sessions } else { format!("  sessions{sessions}\n") };
    format!(
        "session \"{}\" = \"{}\" +\n  options [quick_and_dirty = false, skip_proofs = false, document = false]\n{sessions}  \
         theories\n    {}\n",
        session_name(layout),
        settings.session,
        layout.name
    )
}

/// A tool of Isabelle's with settings of ours.
pub(super) fn program(
    installation: &Installation,
    settings: String,
    cwd: PathBuf,
    arguments: Vec<String>,
) -> Program {
    let mut args: Vec<std::ffi::OsString> = vec![
        "-c".into(),
        BATCH.into(),
        "proofloop-isabelle".into(),
        installation.program.clone().into(),
        settings.into(),
    ];
    args.extend(arguments.into_iter().map(Into::into));
    Program { path: PathBuf::from(server::BASH), args, cwd, stdin: Vec::new() }
}

/// The return codes of Isabelle's tools: 1 for errors in theories, 142 for a session's own time limit.
fn batch(finished: &Finished) -> Batch {
    match finished.outcome {
        Outcome::Exited { code: 0 } => Batch::Passed,
        Outcome::Exited { code: 1 } => Batch::Failed,
        Outcome::Exited { code: 142 } | Outcome::TimedOut | Outcome::CpuLimit => Batch::Timeout,
        Outcome::MemoryLimit => Batch::MemoryLimit,
        Outcome::Exited { code } => {
            Batch::Broken(format!("return code {code}: {}", process_end::last_line(finished)))
        }
        Outcome::Signaled { signal } => Batch::Broken(format!("signal {signal}")),
        Outcome::OutputLimit => Batch::Broken("output limit".to_owned()),
        Outcome::Cancelled => Batch::Broken("it was cancelled".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::theory::Pinned;
    use super::*;

    #[test]
    fn the_root_file_has_one_theory_and_safe_options() {
        let imports = ["Main".to_owned()];
        let pinned = Pinned { imports: &imports, header: "", statement: "theorem \"x\"" };
        let layout = Layout::of_proof(pinned, "", "by simp", "0").expect("a theory");
        let mut settings = Settings::new("HOL", Duration::from_secs(1), 1 << 30);
        settings.include_sessions = vec!["HOL-Library".to_owned()];
        assert_eq!(
            root(&layout, &settings),
            "session \"Audit_Pl0\" = \"HOL\" +\n  options [quick_and_dirty = false, skip_proofs = false, document = false]\n  \
             sessions \"HOL-Library\"\n  theories\n    Pl0\n"
        );
    }
}
