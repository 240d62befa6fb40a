//! The readers against the published files themselves.
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

mod common;

use common::shared;
use proofloop_datasets::readers::{self, DuplicateNames, Format, Options};
use proofloop_datasets::{Cause, Kind, LeanProblem, Problem, PythonProblem, ReadError, Split};
use std::collections::HashSet;

fn read(relative: &str, format: Format) -> Option<Vec<Result<Problem, ReadError>>> {
    let path = shared(relative)?;
    Some(readers::open(&path, format, &Options::default()).expect("it is there").collect())
}

fn all(relative: &str, format: Format) -> Option<Vec<Problem>> {
    let problems: Result<Vec<_>, _> = read(relative, format)?.into_iter().collect();
    Some(problems.unwrap_or_else(|error| panic!("{relative}: {error}: {:?}", error.cause)))
}

fn count(problems: &[Problem], split: Split) -> usize {
    problems.iter().filter(|problem| problem.split == split).count()
}

fn lean(problem: &Problem) -> &LeanProblem {
    match &problem.kind {
        Kind::Lean(lean) => lean,
        Kind::LeanGaps(_) | Kind::Isabelle(_) | Kind::Python(_) => panic!("{} is not Lean", problem.name),
    }
}

#[test]
fn core_lean_has_412_problems_and_205_proofs() {
    let Some(problems) = all("core-lean/core_small_lean428.jsonl", Format::LeanJsonl) else { return };
    assert_eq!(problems.len(), 412);
    assert_eq!(problems.iter().filter(|problem| problem.known.is_some()).count(), 205);
    assert_eq!([Split::Train, Split::Valid, Split::Test].map(|split| count(&problems, split)), [245, 77, 90]);
    assert!(problems.iter().all(|problem| lean(problem).statement.trim_end().ends_with(":= by")));
    assert!(
        problems
            .iter()
            .all(|problem| problem.metadata.license.is_some() && problem.metadata.origin.is_some())
    );
    assert_eq!(problems[0].source, "core_small_lean428");
    assert_eq!(problems[0].known.as_deref(), Some("\n  exact todo_list"));
}

#[test]
fn minif2f_has_488_problems_and_keeps_white_space() {
    let Some(problems) = all("minif2f-deepseek/minif2f.jsonl", Format::LeanJsonl) else { return };
    assert_eq!(problems.len(), 488);
    assert_eq!([Split::Valid, Split::Test].map(|split| count(&problems, split)), [244, 244]);
    assert_eq!(problems[0].name, "amc12a_2019_p21");
    assert!(lean(&problems[0]).statement.ends_with(" = 36 := by\n"));
    assert!(lean(&problems[0]).header.starts_with("import Mathlib\nimport Aesop\n\n"));
    assert!(problems[0].informal.starts_with("/-- Let $z=") && problems[0].informal.ends_with("-/\n"));
    let hashes: HashSet<_> = problems.iter().map(Problem::content_hash).collect();
    assert_eq!(hashes.len(), 488);
}

#[test]
fn minif2f_few_shot_has_67_problems_with_proofs() {
    let Some(problems) = all("minif2f-deepseek/minif2f_valid_few_shot.jsonl", Format::LeanJsonl) else {
        return;
    };
    assert_eq!(problems.len(), 67);
    assert!(problems.iter().all(|problem| problem.known.as_ref().is_some_and(|proof| !proof.is_empty())));
}

#[test]
fn goedel_v2_has_244_problems_whose_header_is_found_in_the_statement() {
    let Some(problems) = all("minif2f-goedel-v2/minif2f.jsonl", Format::LeanJsonl) else { return };
    assert_eq!(problems.len(), 244);
    for problem in &problems {
        let LeanProblem { header, statement } = lean(problem);
        assert!(header.starts_with("import Mathlib\n") && !header.contains("theorem"), "{}", problem.name);
        assert!(
            statement.starts_with("theorem ") && statement.trim_end().ends_with(":= by"),
            "{}",
            problem.name
        );
    }
}

#[test]
fn proofnet_has_371_problems_of_which_22_repeat_a_name() {
    let Some(problems) = read("proofnet-deepseek/proofnet.jsonl", Format::LeanJsonl) else { return };
    let rejected = problems.iter().filter_map(|problem| problem.as_ref().err());
    assert_eq!(rejected.clone().count(), 22);
    assert!(rejected.clone().all(|error| matches!(error.cause, Cause::DuplicateName { .. })));
    let path = shared("proofnet-deepseek/proofnet.jsonl").expect("read above");
    let options = Options { duplicate_names: DuplicateNames::Allow, ..Options::default() };
    let problems: Result<Vec<_>, _> =
        readers::open(&path, Format::LeanJsonl, &options).expect("it is there").collect();
    let problems = problems.expect("nothing else is wrong");
    assert_eq!(problems.len(), 371);
    assert_eq!([Split::Valid, Split::Test].map(|split| count(&problems, split)), [185, 186]);
}

#[test]
fn humaneval_has_164_problems_compressed_or_not() {
    let Some(problems) = all("humaneval/HumanEval.jsonl.gz", Format::HumanEval) else { return };
    assert_eq!(problems.len(), 164);
    assert_eq!((problems[0].name.as_str(), problems[163].name.as_str()), ("HumanEval/0", "HumanEval/163"));
    assert!(problems.iter().all(|problem| problem.known.is_some() && problem.split == Split::Test));
    let Some(example) = all("humaneval/example_problem.jsonl", Format::HumanEval) else { return };
    assert!(
        matches!(&example[0].kind, Kind::Python(PythonProblem::HumanEval { entry_point, .. }) if entry_point == "return1")
    );
}

#[test]
fn mbpp_has_974_problems_in_four_splits() {
    let Some(problems) = all("mbpp/mbpp.jsonl", Format::Mbpp) else { return };
    assert_eq!(problems.len(), 974);
    let splits = [Split::Prompt, Split::Test, Split::Valid, Split::Train];
    assert_eq!(splits.map(|split| count(&problems, split)), [10, 500, 90, 374]);
    assert_eq!(problems[0].name, "MBPP/1");
    let with_setup = problems.iter().filter(
        |problem| matches!(&problem.kind, Kind::Python(PythonProblem::Asserts { setup, .. }) if !setup.is_empty()),
    );
    assert!(with_setup.count() > 0);
}

#[test]
fn mbpp_sanitized_has_427_problems() {
    let Some(problems) = all("mbpp/sanitized-mbpp.json", Format::MbppSanitized) else { return };
    assert_eq!(problems.len(), 427);
    let splits = [Split::Prompt, Split::Test, Split::Valid, Split::Train];
    assert_eq!(splits.map(|split| count(&problems, split)), [7, 257, 43, 120]);
}
