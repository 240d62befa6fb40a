//! What the model is asked about Isabelle, and what its answers mean. STP's Isabelle prompts were not published: these are its
//! Lean prompts with a theory in the place of a file, and for the prover those of `proofloop eval`'s family `isabelle`.

use super::super::prompts::{PromptStyle, STP_END, Seed};
use super::super::statement::Unparsable;
use super::context::Context;
use super::statement;
use proofloop_verifiers::isabelle::theory::import_list;

const STP_START: &str = "Complete the following Isabelle/HOL theory:\n\n```isabelle\n";
/// Where there is no lemma.
const STP_TRIVIAL: &str = "theorem true: \"True\"";
/// The theory's name says nothing.
const THEORY: &str = "Scratch";

pub(in super::super) fn prover(style: PromptStyle, header: &str, statement: &str) -> String {
    match style {
        PromptStyle::Stp => format!("{STP_START}{}{statement}", theory(header)),
        PromptStyle::Plain => format!("prove {}", statement::without_name(statement)),
    }
}

pub(in super::super) fn conjecturer(style: PromptStyle, seed: &Seed<'_>) -> String {
    let Seed { header, lemma, statement, proof } = seed;
    match style {
        PromptStyle::Stp => {
            let lemma = if lemma.is_empty() { STP_TRIVIAL } else { lemma };
            let (theory, proof) = (theory(header), proof.trim());
            format!(
                "{STP_START}{theory}<lemma>\n{lemma}\n<easy theorem>\n{statement}\n{proof}\n<hard theorem>"
            )
        }
        PromptStyle::Plain => format!("conjecture {lemma}\n{}\n", statement::without_name(statement)),
    }
}

pub(in super::super) fn proof_answer(style: PromptStyle, proof: &str) -> String {
    let proof = proof.trim();
    match style {
        PromptStyle::Stp => format!("\n{proof}\n```"),
        PromptStyle::Plain => format!("\n{proof}"),
    }
}

/// With a line break before it: it stands behind the statement as it is.
pub(in super::super) fn read_proof(answer: &str) -> String {
    format!("\n{}", answer.trim())
}

pub(in super::super) fn conjecture_answer(style: PromptStyle, statement: &str) -> String {
    match style {
        PromptStyle::Stp => format!("\n{}\n{STP_END}", statement.trim()),
        PromptStyle::Plain => {
            let text = statement::without_name(statement);
            text.strip_prefix("theorem ").unwrap_or(&text).to_owned()
        }
    }
}

pub(in super::super) fn read_conjecture(style: PromptStyle, answer: &str) -> Result<String, Unparsable> {
    match style {
        PromptStyle::Stp => statement::conjecture_of_theorem(answer.split(STP_END).next().unwrap_or(answer)),
        PromptStyle::Plain => statement::conjecture(answer),
    }
}

fn theory(header: &str) -> String {
    let context = Context::parse(header);
    let Some(context) = context else { return header.to_owned() };
    let line_break = if context.definitions.is_empty() { "" } else { "\n" };
    format!(
        "theory {THEORY} imports {}\nbegin\n\n{}{line_break}",
        import_list(&context.imports),
        context.definitions
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed<'_> = Seed {
        header: "imports Main \"HOL-Library.Multiset\"\nbegin\n",
        lemma: "add.commute",
        statement: "theorem swap:\n  fixes a b :: nat\n  shows \"a + b = b + a\"",
        proof: "\nby (rule add.commute)",
    };

    #[test]
    fn what_the_roles_see() {
        let text = |style: PromptStyle| {
            format!(
                "{}{}\n--\n{}{}",
                prover(style, SEED.header, SEED.statement),
                proof_answer(style, SEED.proof),
                conjecturer(style, &SEED),
                conjecture_answer(style, SEED.statement)
            )
        };
        insta::assert_snapshot!(text(PromptStyle::Plain), @r#"
        prove theorem fixes a b :: nat shows "a + b = b + a"
        by (rule add.commute)
        --
        conjecture add.commute
        theorem fixes a b :: nat shows "a + b = b + a"
        fixes a b :: nat shows "a + b = b + a"
        "#);
        insta::assert_snapshot!(text(PromptStyle::Stp), @r#"
        Complete the following Isabelle/HOL theory:

        ```isabelle
        theory Scratch imports Main "HOL-Library.Multiset"
        begin

        theorem swap:
          fixes a b :: nat
          shows "a + b = b + a"
        by (rule add.commute)
        ```
        --
        Complete the following Isabelle/HOL theory:

        ```isabelle
        theory Scratch imports Main "HOL-Library.Multiset"
        begin

        <lemma>
        add.commute
        <easy theorem>
        theorem swap:
          fixes a b :: nat
          shows "a + b = b + a"
        by (rule add.commute)
        <hard theorem>
        theorem swap:
          fixes a b :: nat
          shows "a + b = b + a"
        </hard theorem>
        "#);
    }

    #[test]
    fn an_answer_that_was_taught_is_read_back() {
        for style in [PromptStyle::Stp, PromptStyle::Plain] {
            let read = read_conjecture(style, &conjecture_answer(style, SEED.statement)).expect("reads");
            assert_eq!(statement::without_name(&read), statement::without_name(SEED.statement), "{style:?}");
            let answer = proof_answer(style, SEED.proof);
            let until_stop = answer.strip_suffix("\n```").unwrap_or(&answer);
            assert_eq!(read_proof(until_stop), SEED.proof);
        }
    }
}
