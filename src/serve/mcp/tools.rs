//! The three tools: what they are called, what they say about themselves, and what they do.

use super::answer::{self, Answer, Diagnostics, Ran, Verified};
use super::arguments::{self, LeanDiagnostics, RunPython, VerifyLean};
use crate::serve::App;
use crate::serve::backend::Program;
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::lean::snippet::{self, Snippet};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    VerifyLean,
    RunPython,
    LeanDiagnostics,
}

impl Name {
    pub(super) const ALL: [Self; 3] = [Self::VerifyLean, Self::RunPython, Self::LeanDiagnostics];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::VerifyLean => "verify_lean",
            Self::RunPython => "run_python",
            Self::LeanDiagnostics => "lean_diagnostics",
        }
    }

    pub(super) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.text() == text)
    }
}

const VERIFY_LEAN: &str = "\
Judges a Lean 4 proof and gives a verdict that can be relied on. `accepted` means that the theorem is proved, as \
stated, without `sorry`, new axioms or code that runs inside the checker; everything else means that it is not. Give \
a whole file as `code`, or a `formal_statement` that ends in `:= by` and the `completion` that follows it (with its \
imports in `header`). With a statement given, the proof must be of exactly that statement. Lines in the messages count \
from the beginning of header, statement and completion together, or of the file.";

const RUN_PYTHON: &str = "\
Runs a Python 3 program in a fresh sandbox without files and network, and gives back what it wrote and how it ended. \
Nothing is kept from one call to the next. Use `print` for what you want to see.";

const LEAN_DIAGNOSTICS: &str = "\
Shows what Lean 4 says about a file: errors, warnings, the output of `#check` and `#eval`, and the goal at each \
`sorry`. For finding a proof step by step. It is NOT a verdict: a file without errors here may still be no proof, \
ask `verify_lean` at the end.";

/// All tools, as a client lists them.
pub(super) fn all() -> Vec<Tool> {
    // Whatever a tool runs leaves nothing behind: neither files nor state, here or elsewhere.
    let changes_nothing = |title: &str| {
        ToolAnnotations::with_title(title)
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false)
    };
    Name::ALL
        .into_iter()
        .map(|name| {
            let tool = |description: &'static str| Tool::new(name.text(), description, JsonObject::new());
            match name {
                Name::VerifyLean => tool(VERIFY_LEAN)
                    .with_input_schema::<VerifyLean>()
                    .with_output_schema::<Verified>()
                    .annotate(changes_nothing("Judge a Lean proof")),
                Name::RunPython => tool(RUN_PYTHON)
                    .with_input_schema::<RunPython>()
                    .with_output_schema::<Ran>()
                    .annotate(changes_nothing("Run a Python program")),
                Name::LeanDiagnostics => tool(LEAN_DIAGNOSTICS)
                    .with_input_schema::<LeanDiagnostics>()
                    .with_output_schema::<Diagnostics>()
                    .annotate(changes_nothing("See what Lean says")),
            }
        })
        .collect()
}

/// Calls a tool. Dropping the future ends what runs for it.
///
/// # Errors
/// Why there is no result, for the model.
pub(super) async fn call(
    app: &App,
    client: &str,
    name: Name,
    arguments: JsonObject,
) -> Result<Answer, String> {
    match name {
        Name::VerifyLean => verify_lean(app, client, arguments).await,
        Name::RunPython => run_python(app, client, arguments).await,
        Name::LeanDiagnostics => lean_diagnostics(app, client, arguments).await,
    }
}

fn can(app: &App, kind: Kind) -> Result<(), String> {
    if app.backend.can_judge(kind) {
        return Ok(());
    }
    let what = match kind {
        Kind::Lean => "no Lean toolchain",
        Kind::Python => "no Python guest",
        Kind::Isabelle => "no Isabelle",
    };
    Err(format!("this server has {what}: whoever runs it can install one with `proofloop setup`"))
}

async fn verify_lean(app: &App, client: &str, arguments: JsonObject) -> Result<Answer, String> {
    let candidate = arguments::read::<VerifyLean>(arguments)?.into_candidate()?;
    can(app, Kind::Lean)?;
    let _admitted = app.admission.admit(client, 1).map_err(|error| error.to_string())?;
    Ok(answer::of_judgement(&app.backend.judge(client, candidate).await))
}

async fn run_python(app: &App, client: &str, arguments: JsonObject) -> Result<Answer, String> {
    let RunPython { code, stdin, timeout_s } = arguments::read(arguments)?;
    let timeout = arguments::timeout(timeout_s, app.settings.longest_timeout)?;
    can(app, Kind::Python)?;
    let _admitted = app.admission.admit(client, 1).map_err(|error| error.to_string())?;
    let program = Program { code, stdin: stdin.unwrap_or_default(), timeout, memory_bytes: None };
    Ok(answer::of_run(&app.backend.run_program(client, program).await))
}

async fn lean_diagnostics(app: &App, client: &str, arguments: JsonObject) -> Result<Answer, String> {
    let LeanDiagnostics { code, timeout_s } = arguments::read(arguments)?;
    let timeout = arguments::timeout(timeout_s, app.settings.longest_timeout)?;
    can(app, Kind::Lean)?;
    let _admitted = app.admission.admit(client, 1).map_err(|error| error.to_string())?;
    let snippet = Snippet { code, timeout, reuse: true, infotree: None };
    let elaborated = app.backend.elaborate(client, &snippet).await.map_err(|error| error.to_string())?;
    match elaborated.answer {
        snippet::Answer::Elaborated(response) => {
            let goals_known = app.backend.toolchains().iter().any(|one| one.kind == "lean" && one.repl);
            Ok(answer::of_response(&response, goals_known))
        }
        snippet::Answer::Refused(words) => Err(format!("Lean could not do it: {words}")),
    }
}
