//! What `NAME.toml` says about a family of prompts.

use proofloop_datasets::{Kind, Problem, PythonProblem};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// The file `NAME.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// How the family is asked for.
    pub name: String,
    /// Where the wording and the rules are published.
    pub source: String,
    /// What it can ask.
    pub tasks: Vec<Task>,
    /// Strings that end an answer, and are not part of it. Whoever generates may leave some out (OpenAI takes four):
    /// they are looked for once more when the answer is read.
    #[serde(default)]
    pub stop: Vec<String>,
    /// What of a model's text is the answer.
    pub answer: Rule,
    /// For models that are talked to: the template is the user's message. Without it, the text is simply continued.
    pub chat: Option<Chat>,
    /// For prompts that show solved examples first.
    pub few_shot: Option<FewShot>,
}

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A Lean statement.
    Lean,
    /// A Lean text with gaps.
    LeanGaps,
    /// An Isabelle statement.
    Isabelle,
    /// A Python function that is begun (HumanEval, EvalPlus, our own programs).
    HumanEval,
    /// A Python program for words and tests (MBPP).
    Asserts,
    /// A Python program for words alone (APPS).
    Program,
}

/// What of a model's text is the answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Rule {
    /// Only for Lean: everything up to the first line that is not indented.
    Indented,
    /// All of it.
    Continuation {
        /// Only for Lean: whether the prompt ends in the line break behind `:= by`, which the answer then lacks.
        #[serde(default)]
        new_line: bool,
    },
    /// The last closed block between fences of backticks. It is a whole file or program.
    LastBlock {
        /// What stands behind the opening backticks; the first of these that any closed block has.
        languages: Vec<String>,
        /// Blocks without any of these are passed over.
        #[serde(default)]
        contains: Vec<String>,
        /// What to do with text up to `</think>`.
        #[serde(default)]
        thoughts: Thoughts,
    },
}

/// What to do with what a model wrote before it answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thoughts {
    /// It may hold the answer.
    #[default]
    Search,
    /// The answer stands behind the last `</think>`. Thoughts that end in none have no answer.
    Skip,
}

/// How a model is talked to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Chat {
    /// How the messages become one text, for a model that is reached without a chat API. Without it, there is no such
    /// text.
    pub format: Option<ChatFormat>,
    /// What comes before the user's message.
    pub system: Option<String>,
}

/// How messages become one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChatFormat {
    /// That of the Qwen models: `<|im_start|>user`, the message, `<|im_end|>`.
    Chatml,
}

/// Which examples are shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FewShot {
    /// How many.
    pub count: NonZeroUsize,
    /// Which, if all of them are among those that are given. Otherwise the first.
    #[serde(default)]
    pub names: Vec<String>,
}

impl Settings {
    /// The first contradiction.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let lean_alone = self.tasks == [Task::Lean];
        let rule = match &self.answer {
            Rule::Indented => (!lean_alone).then_some("the rule `indented` is for Lean alone"),
            Rule::Continuation { new_line } => {
                (*new_line && !lean_alone).then_some("`new-line` is for Lean alone")
            }
            Rule::LastBlock { languages, .. } => {
                languages.is_empty().then_some("`last-block` needs at least one of `languages`")
            }
        };
        let names = self.few_shot.as_ref().is_some_and(|few_shot| {
            !few_shot.names.is_empty() && few_shot.names.len() != few_shot.count.get()
        });
        let checks = [
            (self.name.is_empty(), "the family has no `name`"),
            (self.tasks.is_empty(), "the family has no `tasks`"),
            (
                self.stop.iter().any(String::is_empty),
                "an empty string among `stop` would end everything at once",
            ),
            (names, "`few-shot` names another number of examples than it shows"),
            (
                self.few_shot.is_some() && self.tasks != [Task::Asserts],
                "`few-shot` is for tasks of the kind `asserts` alone",
            ),
        ];
        rule.or_else(|| checks.into_iter().find(|(is_wrong, _)| *is_wrong).map(|(_, problem)| problem))
    }
}

impl Task {
    /// What a problem is.
    #[must_use]
    pub fn of(problem: &Problem) -> Self {
        match &problem.kind {
            Kind::Lean(_) => Self::Lean,
            Kind::LeanGaps(_) => Self::LeanGaps,
            Kind::Isabelle(_) => Self::Isabelle,
            Kind::Python(
                PythonProblem::HumanEval { .. }
                | PythonProblem::InputsAndOracle { .. }
                | PythonProblem::Function { .. },
            ) => Self::HumanEval,
            Kind::Python(PythonProblem::Asserts { .. }) => Self::Asserts,
            Kind::Python(PythonProblem::StdinStdout { .. } | PythonProblem::Calls { .. }) => Self::Program,
        }
    }

    /// The stable name, as `NAME.toml` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::LeanGaps => "lean-gaps",
            Self::Isabelle => "isabelle",
            Self::HumanEval => "human-eval",
            Self::Asserts => "asserts",
            Self::Program => "program",
        }
    }
}

impl ChatFormat {
    /// One text that the model goes on with its answer. Nothing in a message is escaped: no published template does.
    pub(super) fn text(self, system: Option<&str>, user: &str) -> String {
        match self {
            Self::Chatml => {
                let message = |role: &str, text: &str| format!("<|im_start|>{role}\n{text}<|im_end|>\n");
                let system = system.map(|system| message("system", system)).unwrap_or_default();
                format!("{system}{}<|im_start|>assistant\n", message("user", user))
            }
        }
    }
}
