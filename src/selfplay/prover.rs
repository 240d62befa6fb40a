//! The prover that a run plays against: whose language its statements and proofs are in, and who judges them.

use super::isabelle;
use super::judge::Work;
use super::lemmas;
use super::prompts::{PromptStyle, Role, Seed};
use super::statement::{self, Unparsable};
use proofloop_datasets::{Kind as ProblemKind, Problem};
use proofloop_verifiers::candidate::Kind;
use serde::{Deserialize, Serialize};

/// The prover of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Prover {
    /// Lean 4
    #[default]
    Lean,
    /// Isabelle/HOL
    Isabelle,
}

impl Prover {
    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lean => "Lean",
            Self::Isabelle => "Isabelle",
        }
    }

    /// As problems and candidates call it: `lean` or `isabelle`.
    #[must_use]
    pub fn language(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Isabelle => "isabelle",
        }
    }

    /// Who judges its candidates.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Lean => Kind::Lean,
            Self::Isabelle => Kind::Isabelle,
        }
    }

    /// What stands before a problem's theorem, with `more` behind it, and the theorem up to its proof (for Lean with `:= by`);
    /// `None` if the problem is another prover's.
    #[must_use]
    pub(super) fn statement(self, problem: &Problem, more: &str) -> Option<(String, String)> {
        match (self, &problem.kind) {
            (Self::Lean, ProblemKind::Lean(lean)) => {
                let newline = if lean.header.is_empty() || lean.header.ends_with('\n') { "" } else { "\n" };
                let text = format!("{} := by", statement::without_assignment(&lean.statement));
                Some((format!("{}{newline}{more}", lean.header), text))
            }
            (Self::Isabelle, ProblemKind::Isabelle(isabelle)) => {
                let mut context = isabelle::Context::of(isabelle);
                context.definitions = [context.definitions.as_str(), more].join("\n").trim().to_owned();
                Some((context.text(), isabelle.statement.trim().to_owned()))
            }
            (
                Self::Lean | Self::Isabelle,
                ProblemKind::Lean(_)
                | ProblemKind::LeanGaps(_)
                | ProblemKind::Isabelle(_)
                | ProblemKind::Python(_),
            ) => None,
        }
    }

    /// What is judged of a proof.
    pub(super) fn work(self, header: String, statement: String, completion: String) -> Work {
        match self {
            Self::Lean => Work::lean(header, statement, completion),
            Self::Isabelle => Work::isabelle(header, statement, completion),
        }
    }

    /// What makes two statements the same, see [`statement::key`] and [`isabelle::statement::key`].
    #[must_use]
    pub fn key(self, header: &str, statement: &str) -> [u8; 32] {
        match self {
            Self::Lean => statement::key(header, statement),
            Self::Isabelle => isabelle::statement::key(header, statement),
        }
    }

    /// The statement without its theorem's name.
    #[must_use]
    pub fn without_name(self, statement: &str) -> String {
        match self {
            Self::Lean => statement::without_name(statement),
            Self::Isabelle => isabelle::statement::without_name(statement),
        }
    }

    /// The statement without what joins it to its proof.
    #[must_use]
    pub fn without_assignment(self, statement: &str) -> &str {
        match self {
            Self::Lean => statement::without_assignment(statement),
            Self::Isabelle => statement,
        }
    }

    /// The facts that a proof names, as far as its text tells.
    #[must_use]
    pub fn lemmas(self, proof: &str) -> Vec<String> {
        match self {
            Self::Lean => lemmas::in_proof(proof),
            Self::Isabelle => isabelle::lemmas::in_proof(proof),
        }
    }

    /// The statement without its name and quotation marks, to be compared word by word.
    pub(super) fn comparable(self, statement: &str) -> String {
        match self {
            Self::Lean => self.without_name(statement),
            Self::Isabelle => self.without_name(statement).replace('"', " "),
        }
    }

    /// A statement and a proof of it that is accepted only if the conjecture is well-typed; `None` if it can't be taken apart.
    pub(super) fn typing_check(self, conjecture: &str) -> Option<(String, String)> {
        match self {
            Self::Lean => statement::typing_check(conjecture),
            Self::Isabelle => isabelle::statement::typing_check(conjecture),
        }
    }

    /// The statement that a conjecture's hypotheses contradict each other; `None` if there are none.
    pub(super) fn contradiction_check(self, conjecture: &str) -> Option<String> {
        match self {
            Self::Lean => statement::contradiction_check(conjecture),
            Self::Isabelle => isabelle::statement::contradiction_check(conjecture),
        }
    }

    /// A proof that tries each of these tactics in turn.
    pub(super) fn try_each(self, tactics: &[String]) -> String {
        match self {
            Self::Lean => statement::try_each(tactics),
            Self::Isabelle => isabelle::statement::try_each(tactics),
        }
    }

    /// A tactic that proves nothing.
    pub(super) fn no_tactic(self) -> &'static str {
        match self {
            Self::Lean => "done",
            Self::Isabelle => "fail",
        }
    }
}

/// How a run's model is asked: in which style, and about which prover's statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompts {
    /// The style.
    pub style: PromptStyle,
    /// The prover.
    pub prover: Prover,
}

impl Prompts {
    /// As [`PromptStyle::prover`].
    #[must_use]
    pub fn prover(self, header: &str, statement: &str) -> String {
        match self.prover {
            Prover::Lean => self.style.prover(header, statement),
            Prover::Isabelle => isabelle::prompts::prover(self.style, header, statement),
        }
    }

    /// As [`PromptStyle::conjecturer`].
    #[must_use]
    pub fn conjecturer(self, seed: &Seed<'_>) -> String {
        match self.prover {
            Prover::Lean => self.style.conjecturer(seed),
            Prover::Isabelle => isabelle::prompts::conjecturer(self.style, seed),
        }
    }

    /// As [`PromptStyle::stops`].
    #[must_use]
    pub fn stops(self, role: Role) -> Vec<String> {
        self.style.stops(role)
    }

    /// As [`PromptStyle::proof_answer`].
    #[must_use]
    pub fn proof_answer(self, proof: &str) -> String {
        match self.prover {
            Prover::Lean => self.style.proof_answer(proof),
            Prover::Isabelle => isabelle::prompts::proof_answer(self.style, proof),
        }
    }

    /// As [`PromptStyle::read_proof`].
    #[must_use]
    pub fn read_proof(self, answer: &str) -> String {
        match self.prover {
            Prover::Lean => self.style.read_proof(answer).to_owned(),
            Prover::Isabelle => isabelle::prompts::read_proof(answer),
        }
    }

    /// As [`PromptStyle::conjecture_answer`].
    #[must_use]
    pub fn conjecture_answer(self, statement: &str) -> String {
        match self.prover {
            Prover::Lean => self.style.conjecture_answer(statement),
            Prover::Isabelle => isabelle::prompts::conjecture_answer(self.style, statement),
        }
    }

    /// As [`PromptStyle::read_conjecture`].
    ///
    /// # Errors
    /// As there.
    pub fn read_conjecture(self, answer: &str) -> Result<String, Unparsable> {
        match self.prover {
            Prover::Lean => self.style.read_conjecture(answer),
            Prover::Isabelle => isabelle::prompts::read_conjecture(self.style, answer),
        }
    }
}
