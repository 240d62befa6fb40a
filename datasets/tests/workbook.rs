//! What the bundled workbook promises.

use proofloop_datasets::readers::{self, Format, Options};
use proofloop_datasets::rename::{canonical, canonical_hash};
use proofloop_datasets::{Kind, Problem, Split, workbook};
use std::collections::{HashMap, HashSet};
use std::path::Path;

const SPLITS: [Split; 3] = [Split::Train, Split::Valid, Split::Test];

fn everything() -> Vec<Problem> {
    SPLITS.into_iter().flat_map(workbook::problems).collect()
}

fn statement(problem: &Problem) -> &str {
    match &problem.kind {
        Kind::Lean(lean) => &lean.statement,
        Kind::LeanGaps(_) | Kind::Isabelle(_) | Kind::Python(_) => panic!("{} is not Lean", problem.name),
    }
}

#[test]
fn every_line_that_ships_is_read() {
    for split in SPLITS {
        let text = workbook::jsonl(split);
        let path = Path::new(split.name());
        let results: Vec<_> =
            readers::from_reader(path, text.as_bytes(), Format::LeanJsonl, &Options::default()).collect();
        for result in &results {
            assert!(result.is_ok(), "{result:?}");
        }
        assert_eq!(results.len(), text.lines().count());
        assert!(workbook::problems(split).iter().all(|problem| problem.split == split));
    }
    assert!(workbook::problems(Split::Prompt).is_empty());
}

#[test]
fn there_are_at_least_400_statements_with_names_of_their_own() {
    let problems = everything();
    assert!(problems.len() >= 400, "{}", problems.len());
    let names: HashSet<_> = problems.iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(names.len(), problems.len());
}

#[test]
fn every_statement_is_one_named_theorem_that_awaits_a_tactic_proof() {
    for problem in everything() {
        let statement = statement(&problem);
        assert!(statement.ends_with(":= by"), "{}: {statement}", problem.name);
        assert!(
            statement.starts_with(&format!("theorem {} ", problem.name)),
            "{}: {statement}",
            problem.name
        );
        assert!(problem.metadata.topic.is_some(), "{}", problem.name);
        assert!(
            problem.metadata.difficulty.is_some_and(|level| (1..=5).contains(&level)),
            "{}",
            problem.name
        );
        assert!(
            problem.informal.starts_with("/--") && problem.informal.ends_with("-/\n"),
            "{}",
            problem.name
        );
    }
}

#[test]
fn the_easier_half_of_train_has_proofs_and_none_cheats() {
    for problem in everything() {
        let easy =
            problem.split == Split::Train && problem.metadata.difficulty.is_some_and(|level| level <= 3);
        assert!(!easy || problem.known.is_some(), "{} has no proof", problem.name);
        let proof = problem.known.unwrap_or_default();
        for forbidden in ["sorry", "admit", "native_decide", "axiom"] {
            assert!(!proof.contains(forbidden), "{}: {proof}", problem.name);
        }
    }
}

#[test]
fn no_statement_appears_twice_up_to_renaming() {
    let mut first = HashMap::new();
    for problem in everything() {
        let hash = canonical_hash(statement(&problem));
        if let Some(other) = first.insert(hash, problem.name.clone()) {
            panic!("{} and {other} are one: {}", problem.name, canonical(statement(&problem)));
        }
    }
}
