//! What the model is asked, as prover and as conjecturer, and what its answers mean.

use super::statement::{self, Unparsable};
use serde::{Deserialize, Serialize};

/// How the two roles are told apart and what each sees. Training and sampling use the same prompts (the released code of
/// STP does not: see `../shared/reference/stp.md` §3, "Exact prompts").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PromptStyle {
    /// STP's, for models that know DeepSeek-Prover's prompts: header, names, and the seed with its proof
    Stp,
    /// For the nano model, whose context and training are small: no header, no theorem names, no seed's proof
    Plain,
}

/// What a conjecture is made from.
#[derive(Debug, Clone, Copy)]
pub struct Seed<'a> {
    /// Imports and options before it.
    pub header: &'a str,
    /// The lemma's text; its name where no more is known of it; empty for the trivial one.
    pub lemma: &'a str,
    /// The proved statement, which ends in `:= by`.
    pub statement: &'a str,
    /// Its proof, as it stands behind the statement.
    pub proof: &'a str,
}

const STP_START: &str = "Complete the following Lean 4 code:\n\n```lean4\n";
/// What STP gives where there is no lemma.
const STP_TRIVIAL: &str = "theorem true: True";
/// Ends a conjecture.
pub(super) const STP_END: &str = "</hard theorem>";

impl PromptStyle {
    /// What the prover continues with a proof. `statement` ends in `:= by`.
    #[must_use]
    pub fn prover(self, header: &str, statement: &str) -> String {
        match self {
            Self::Stp => format!("{STP_START}{}{statement}", line(header)),
            Self::Plain => format!("prove {}", statement::without_name(statement)),
        }
    }

    /// What the conjecturer continues with a statement.
    #[must_use]
    pub fn conjecturer(self, seed: &Seed<'_>) -> String {
        let Seed { header, lemma, statement, proof } = seed;
        match self {
            Self::Stp => {
                let lemma = if lemma.is_empty() { STP_TRIVIAL } else { lemma };
                let header = line(header);
                format!(
                    "{STP_START}{header}<lemma>\n{lemma}\n<easy theorem>\n{statement}{proof}\n<hard theorem>"
                )
            }
            Self::Plain => format!("conjecture {lemma}\n{}\n", statement::without_name(statement)),
        }
    }

    /// Whether the conjecturer's prompt holds the seed's proof.
    #[must_use]
    pub fn shows_seed_s_proof(self) -> bool {
        self == Self::Stp
    }

    /// Strings that end an answer and are not part of it.
    #[must_use]
    pub fn stops(self, role: Role) -> Vec<String> {
        match (self, role) {
            (Self::Stp, Role::Prover) => vec!["\n```".to_owned()],
            (Self::Stp, Role::Conjecturer) => vec![STP_END.to_owned()],
            (Self::Plain, _) => Vec::new(),
        }
    }

    /// The answer that a prover is taught.
    #[must_use]
    pub fn proof_answer(self, proof: &str) -> String {
        match self {
            Self::Stp => format!("{proof}\n```"),
            Self::Plain => proof.to_owned(),
        }
    }

    /// The proof that a prover has answered with.
    #[must_use]
    pub fn read_proof(self, answer: &str) -> &str {
        match self {
            Self::Stp => answer.trim_end(),
            // What is not indented is not of the proof any more, and would be a command of its own.
            Self::Plain => {
                let outside = answer
                    .match_indices('\n')
                    .find(|(at, _)| answer[at + 1..].starts_with(|next: char| !next.is_whitespace()));
                answer[..outside.map_or(answer.len(), |(at, _)| at)].trim_end()
            }
        }
    }

    /// The answer that a conjecturer is taught. `statement` ends in `:= by`.
    #[must_use]
    pub fn conjecture_answer(self, statement: &str) -> String {
        match self {
            Self::Stp => format!("\n{}\n{STP_END}", statement::without_assignment(statement)),
            Self::Plain => statement::without_assignment(&statement::without_name(statement))
                .trim_start_matches("theorem")
                .trim_start()
                .to_owned(),
        }
    }

    /// The statement that a conjecturer has answered with.
    ///
    /// # Errors
    /// It is not one plain theorem, see [`statement::conjecture`].
    pub fn read_conjecture(self, answer: &str) -> Result<String, Unparsable> {
        match self {
            Self::Stp => {
                let answer = answer.split(STP_END).next().unwrap_or(answer).trim();
                let rest = answer.strip_prefix("theorem").ok_or(Unparsable::NoTheorem)?.trim_start();
                let name_end = rest.find(|c: char| c.is_whitespace() || "({[⦃:".contains(c));
                statement::conjecture(&rest[name_end.unwrap_or(rest.len())..])
            }
            Self::Plain => statement::conjecture(answer),
        }
    }
}

/// One of the two that the model plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Proves statements.
    Prover,
    /// Makes new ones.
    Conjecturer,
}

impl Role {
    /// The stable name, as the store has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prover => "prover",
            Self::Conjecturer => "conjecturer",
        }
    }
}

fn line(header: &str) -> String {
    let newline = if header.is_empty() || header.ends_with('\n') { "" } else { "\n" };
    format!("{header}{newline}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed<'_> = Seed {
        header: "open Nat",
        lemma: "Nat.add_comm",
        statement: "theorem add_swap (a b : Nat) : a + b = b + a := by",
        proof: "\n  exact Nat.add_comm a b",
    };

    #[test]
    fn what_the_roles_see() {
        let text = |style: PromptStyle| {
            format!(
                "{}\n--\n{}\n--\n{}",
                style.prover(SEED.header, SEED.statement),
                style.conjecturer(&SEED),
                style.conjecture_answer(SEED.statement)
            )
        };
        insta::assert_snapshot!(text(PromptStyle::Plain), @r"
        prove theorem (a b : Nat) : a + b = b + a := by
        --
        conjecture Nat.add_comm
        theorem (a b : Nat) : a + b = b + a := by

        --
        (a b : Nat) : a + b = b + a
        ");
        insta::assert_snapshot!(text(PromptStyle::Stp), @r"
        Complete the following Lean 4 code:

        ```lean4
        open Nat
        theorem add_swap (a b : Nat) : a + b = b + a := by
        --
        Complete the following Lean 4 code:

        ```lean4
        open Nat
        <lemma>
        Nat.add_comm
        <easy theorem>
        theorem add_swap (a b : Nat) : a + b = b + a := by
          exact Nat.add_comm a b
        <hard theorem>
        --

        theorem add_swap (a b : Nat) : a + b = b + a
        </hard theorem>
        ");
    }

    #[test]
    fn a_proof_ends_where_its_indentation_does() {
        let plain = |answer| PromptStyle::Plain.read_proof(answer);
        assert_eq!(plain("\n  intro h\n\n  exact h\n"), "\n  intro h\n\n  exact h");
        assert_eq!(plain("\n  rfl\ntheorem u : False := by\n  simp"), "\n  rfl");
        assert_eq!(plain(" rfl"), " rfl");
        assert_eq!(plain("\nrfl"), "");
        assert_eq!(PromptStyle::Stp.read_proof("\nrfl\n"), "\nrfl");
    }

    #[test]
    fn an_answer_that_was_taught_is_read_back() {
        for style in [PromptStyle::Stp, PromptStyle::Plain] {
            let read = style.read_conjecture(&style.conjecture_answer(SEED.statement)).expect("reads");
            assert_eq!(statement::without_name(&read), statement::without_name(SEED.statement), "{style:?}");
        }
    }
}
