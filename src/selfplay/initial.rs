//! What the model is shown before the first round: the shown proofs, as prover and as conjecturer examples.

use super::alike::Alike;
use super::chance;
use super::lemmas;
use super::prompts::{Role, Seed};
use super::prover::{Prompts, Prover};
use proofloop_datasets::store::{ExampleRecord, Statement, StatementId};
use std::collections::BTreeMap;

/// At most so many conjecturer examples have the same later statement and lemma: in a small set a frequent lemma would
/// otherwise pair everything with everything.
const PAIRS_OF_A_LEMMA: usize = 4;

/// A problem whose proof may be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) statement: &'a Statement,
    pub(super) proof: &'a str,
    /// Its data set's, if it says so.
    pub(super) topic: Option<&'a str>,
}

/// Those of the statements whose proof is shown, in their order. `topics` are by name.
pub(super) fn shown<'a>(statements: &'a [Statement], topics: &'a BTreeMap<String, String>) -> Vec<Shown<'a>> {
    let shown = |statement: &'a Statement| {
        let proof = statement.known.as_deref()?;
        Some(Shown { statement, proof, topic: topics.get(&statement.name).map(String::as_str) })
    };
    statements.iter().filter_map(shown).collect()
}

/// The examples of the initial training. A conjecturer example is `(X, L, Y)`: `X` stands before `Y`, and the proofs of both
/// name the lemma `L` (`../shared/reference/stp.md` §1.1); besides, `trivial_pairs` earlier ones of the same subject stand
/// with the trivial lemma before each `Y`.
pub(super) fn examples(
    shown: &[Shown<'_>],
    prompts: Prompts,
    trivial_pairs: usize,
    seed: u64,
) -> Vec<ExampleRecord> {
    let mut examples: Vec<ExampleRecord> = Vec::new();
    for one in shown {
        let Statement { id, header, text, .. } = one.statement;
        push(
            &mut examples,
            Role::Prover,
            *id,
            (prompts.prover(header, text), prompts.proof_answer(one.proof)),
        );
    }
    for (index, later) in shown.iter().enumerate() {
        for (earlier, lemma) in partners(shown, prompts.prover, (index, trivial_pairs), seed) {
            let earlier = &shown[earlier];
            conjecturer(&mut examples, prompts, (earlier.statement, earlier.proof, &lemma), later.statement);
        }
    }
    examples
}

/// Adds, for each of the statements that may be learnt from, those `count` others before it that are most like it. Where
/// prompts show the seed's proof, the others are those whose proof may be shown.
pub(super) fn add_alike(
    examples: &mut Vec<ExampleRecord>,
    training: &[&Statement],
    prompts: Prompts,
    count: usize,
) {
    if count == 0 {
        return;
    }
    let texts: Vec<String> = training.iter().map(|one| prompts.prover.comparable(&one.text)).collect();
    let alike = Alike::new(texts.iter().map(String::as_str));
    let may_stand_before =
        |&index: &usize| !prompts.style.shows_seed_s_proof() || training[index].known.is_some();
    let seeds: Vec<usize> = (0..training.len()).filter(may_stand_before).collect();
    for (index, &later) in training.iter().enumerate() {
        for seed in alike.nearest(index, &seeds, count) {
            let seed = training[seed];
            let proof = seed.known.as_deref().unwrap_or_default();
            conjecturer(examples, prompts, (seed, proof, lemmas::TRIVIAL), later);
        }
    }
}

/// Adds an example of a conjecture that is made from a statement, its proof and a lemma.
fn conjecturer(
    examples: &mut Vec<ExampleRecord>,
    prompts: Prompts,
    (seed, proof, lemma): (&Statement, &str, &str),
    conjecture: &Statement,
) {
    let seed = Seed { header: &seed.header, lemma, statement: &seed.text, proof };
    let answer = prompts.conjecture_answer(&conjecture.text);
    push(examples, Role::Conjecturer, conjecture.id, (prompts.conjecturer(&seed), answer));
}

fn push(
    examples: &mut Vec<ExampleRecord>,
    role: Role,
    statement: StatementId,
    (prompt, completion): (String, String),
) {
    let ordinal = u32::try_from(examples.len()).unwrap_or(u32::MAX);
    let role = role.name().to_owned();
    examples.push(ExampleRecord { iteration: 0, ordinal, role, statement, prompt, completion, weight: 1.0 });
}

/// What `later` is paired with: earlier statements, each with a lemma.
fn partners(
    shown: &[Shown<'_>],
    prover: Prover,
    (later, trivial_pairs): (usize, usize),
    seed: u64,
) -> Vec<(usize, String)> {
    let id = shown[later].statement.id;
    let lemmas_of = |index: usize| prover.lemmas(shown[index].proof);
    let mut pairs = Vec::new();
    for lemma in lemmas_of(later) {
        let earlier: Vec<usize> = (0..later).filter(|&index| lemmas_of(index).contains(&lemma)).collect();
        let chosen = choose(seed, &format!("pairs {lemma}"), id, &earlier, PAIRS_OF_A_LEMMA);
        pairs.extend(chosen.into_iter().map(|index| (index, lemma.clone())));
    }
    let is_alike = |&index: &usize| shown[index].topic == shown[later].topic;
    let earlier: Vec<usize> = (0..later).filter(is_alike).collect();
    let chosen = choose(seed, "pairs", id, &earlier, trivial_pairs);
    pairs.extend(chosen.into_iter().map(|index| (index, lemmas::TRIVIAL.to_owned())));
    pairs
}

fn choose(seed: u64, purpose: &str, item: StatementId, from: &[usize], count: usize) -> Vec<usize> {
    let seed = chance::seed(seed, purpose, 0, item);
    chance::choose(seed, "of", 0, from.len(), count).into_iter().map(|at| from[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::prompts::PromptStyle;
    use super::*;
    use proofloop_datasets::Split;
    use proofloop_datasets::store::Origin;

    fn asking(style: PromptStyle) -> Prompts {
        Prompts { style, prover: Prover::Lean }
    }

    fn statement(id: StatementId, text: &str, proof: Option<&str>) -> Statement {
        Statement {
            id,
            key: [0; 32],
            name: format!("t{id}"),
            header: String::new(),
            text: text.to_owned(),
            origin: Origin::Problem,
            split: Some(Split::Train),
            known: proof.map(str::to_owned),
            lineage: None,
        }
    }

    #[test]
    fn earlier_and_later_share_a_lemma_or_a_subject() {
        let statements = [
            statement(1, "theorem a (n : Nat) : n + 0 = n := by", Some("\n  exact Nat.add_zero n")),
            statement(2, "theorem b (n : Nat) : n + 1 = n := by", None),
            statement(3, "theorem c (p : Prop) : p → p := by", Some("\n  intro h\n  exact h")),
            statement(
                4,
                "theorem d (n : Nat) : 0 + (n + 0) = n := by",
                Some("\n  rw [Nat.add_zero]\n  omega"),
            ),
        ];
        let topic = |id: i64, topic: &str| (format!("t{id}"), topic.to_owned());
        let topics = BTreeMap::from([topic(1, "nat"), topic(3, "prop"), topic(4, "nat")]);
        let shown = shown(&statements, &topics);
        assert_eq!(shown.len(), 3);
        let examples = examples(&shown, asking(PromptStyle::Plain), 2, 1);
        let lines: Vec<String> = examples
            .iter()
            .map(|example| {
                format!(
                    "{} {}: {:?} -> {:?}",
                    example.ordinal, example.role, example.prompt, example.completion
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        0 prover: "prove theorem (n : Nat) : n + 0 = n := by" -> "\n  exact Nat.add_zero n"
        1 prover: "prove theorem (p : Prop) : p → p := by" -> "\n  intro h\n  exact h"
        2 prover: "prove theorem (n : Nat) : 0 + (n + 0) = n := by" -> "\n  rw [Nat.add_zero]\n  omega"
        3 conjecturer: "conjecture Nat.add_zero\ntheorem (n : Nat) : n + 0 = n := by\n" -> "(n : Nat) : 0 + (n + 0) = n"
        4 conjecturer: "conjecture \ntheorem (n : Nat) : n + 0 = n := by\n" -> "(n : Nat) : 0 + (n + 0) = n"
        "#);
        let mut more = Vec::new();
        let training: Vec<&Statement> = statements.iter().collect();
        add_alike(&mut more, &training, asking(PromptStyle::Plain), 1);
        let pairs: Vec<String> =
            more.iter().map(|example| format!("{:?} -> {:?}", example.prompt, example.completion)).collect();
        insta::assert_snapshot!(pairs.join("\n"), @r#"
        "conjecture \ntheorem (n : Nat) : n + 1 = n := by\n" -> "(n : Nat) : n + 0 = n"
        "conjecture \ntheorem (n : Nat) : n + 0 = n := by\n" -> "(n : Nat) : n + 1 = n"
        "conjecture \ntheorem (n : Nat) : n + 0 = n := by\n" -> "(p : Prop) : p → p"
        "conjecture \ntheorem (n : Nat) : n + 0 = n := by\n" -> "(n : Nat) : 0 + (n + 0) = n"
        "#);
        let mut shown_only = Vec::new();
        add_alike(&mut shown_only, &training, asking(PromptStyle::Stp), 1);
        assert!(shown_only.iter().all(|example| !example.prompt.contains("theorem b ")));
    }
}
