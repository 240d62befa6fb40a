//! The other column: scripts of ours in `benches/`, run by a Python that has torch, in the sandbox.

use anyhow::{Context, bail};
use proofloop_sandboxes::process::{Launcher, Outcome, Policy, Program};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use super::super::exit::UsageError;

/// A script with its name.
pub(super) struct Script {
    pub name: &'static str,
    pub text: &'static str,
}

impl Script {
    /// What is said in place of its figures.
    pub(super) fn not_measured(&self) -> String {
        format!("PyTorch: not measured; for that give --python PATH/TO/python with `{}`", self.install())
    }

    /// How to get what it needs, from its first line.
    pub(super) fn install(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }
}

/// The interpreter of an environment.
pub(super) struct Torch {
    python: PathBuf,
    launcher: Launcher,
    policy: Policy,
}

impl Torch {
    /// `python` is that of a virtual environment or of an installation; the script may read that and `folder`.
    pub(super) fn new(python: &Path, folder: &Path) -> anyhow::Result<Self> {
        let missing = |error| UsageError(format!("--python {}: {error}", python.display()));
        // Not resolved: the environment is known by the place of its link.
        let python = std::path::absolute(python).map_err(missing)?;
        let resolved = python.canonicalize().map_err(missing)?;
        let mut policy = Policy {
            wall: Duration::from_secs(3600),
            memory_bytes: 16 << 30,
            output_bytes: 16 << 20,
            processes: 256,
            ..Policy::default()
        };
        for file in [&python, &resolved] {
            let prefix = file.parent().and_then(Path::parent).filter(|prefix| prefix.parent().is_some());
            policy.read_only.extend(prefix.map(Path::to_path_buf));
        }
        policy.read_only.push(folder.to_path_buf());
        for (name, value) in [("HOME", "/tmp"), ("HF_HUB_OFFLINE", "1"), ("TOKENIZERS_PARALLELISM", "false")]
        {
            policy.env.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self { python, launcher: Launcher::current_exe(), policy })
    }

    /// Gives `input` to the script as JSON and reads what it answers.
    pub(super) async fn run<T: DeserializeOwned>(
        &self,
        script: &Script,
        input: &impl Serialize,
    ) -> anyhow::Result<T> {
        let program = Program {
            path: self.python.clone(),
            args: ["-I", "-c", script.text].map(Into::into).to_vec(),
            cwd: PathBuf::from("/usr"),
            stdin: serde_json::to_vec(input)?,
        };
        let finished = self.launcher.run(&program, &self.policy, &CancellationToken::new()).await?;
        if finished.outcome != (Outcome::Exited { code: 0 }) {
            let said = finished.stderr.to_string_lossy();
            let said: Vec<&str> = said.trim_end().lines().collect();
            let tail = said[said.len().saturating_sub(12)..].join("\n");
            bail!(
                "{} ended with {:?}; it needs `{}`\n{tail}",
                script.name,
                finished.outcome,
                script.install()
            );
        }
        let output = finished.stdout.to_string_lossy();
        let answer = output.lines().last().unwrap_or_default();
        serde_json::from_str(answer).with_context(|| format!("{} answered no JSON: {answer:?}", script.name))
    }
}
