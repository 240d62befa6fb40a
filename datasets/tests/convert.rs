//! What is written is what is read again.

mod samples;

use proofloop_datasets::readers::{self, Format, Options};
use proofloop_datasets::write::{self, WRITABLE};
use proofloop_datasets::{Kind, LeanProblem, Metadata, Problem, PythonProblem, Split};
use proptest::prelude::*;
use samples::SAMPLES;
use std::path::Path;

fn read(text: String, format: Format) -> Vec<Problem> {
    let options = Options { source: Some("s".to_owned()), ..Options::default() };
    let reader = std::io::Cursor::new(text.into_bytes());
    let problems = readers::from_reader(Path::new("x.jsonl"), reader, format, &options);
    problems.map(|problem| problem.expect("what we write is sound")).collect()
}

fn samples() -> Vec<Problem> {
    SAMPLES.iter().flat_map(|(_, format, text)| read((*text).to_owned(), *format)).collect()
}

#[test]
fn our_own_format_holds_every_problem() {
    for problem in samples() {
        let line = write::line(&problem, Format::Problem).expect("holds all");
        assert!(!line.contains('\n'));
        assert_eq!(
            Format::detect_in(std::io::Cursor::new(line.clone().into_bytes())).ok(),
            Some(Format::Problem)
        );
        assert_eq!(read(line, Format::Problem), [problem]);
    }
}

#[test]
fn what_a_format_cannot_hold_is_an_error_that_names_problem_and_field() {
    let problems = samples();
    let named = |name: &str| problems.iter().find(|problem| problem.name == name).expect(name).clone();
    let said = |problem: &Problem, format| write::line(problem, format).expect_err("no place").to_string();
    let human = named("X/0");
    for (problem, format, expected) in [
        (
            human.clone(),
            Format::LeanJsonl,
            "`X/0` cannot be written as lean-jsonl: `kind`: it is a problem of another kind (python)",
        ),
        (
            Problem { split: Split::Train, ..human.clone() },
            Format::HumanEval,
            "`split`: the format has no place for it",
        ),
        (
            Problem { informal: "w".to_owned(), ..human.clone() },
            Format::HumanEval,
            "`informal`: the format has no place for it",
        ),
        (
            Problem { known: None, ..human.clone() },
            Format::HumanEval,
            "`canonical_solution`: no solution is known",
        ),
        (
            Problem { metadata: Metadata { difficulty: Some(1), ..Metadata::default() }, ..human.clone() },
            Format::HumanEval,
            "`difficulty`: the format has no place for it",
        ),
        (named("MBPP/601"), Format::HumanEval, "`kind`: it is a problem of another kind (python)"),
        (
            Problem { split: Split::Test, ..named("MBPP/601") },
            Format::Mbpp,
            "`split`: the number 601 does not belong to `test`",
        ),
        (
            Problem { name: "x".to_owned(), ..named("MBPP/601") },
            Format::Mbpp,
            "`task_id`: the name is not `MBPP/` and a number",
        ),
        (human.clone(), Format::Functions, "`kind`: it is a problem of another kind (python)"),
        (
            Problem { informal: "w".to_owned(), ..named("pp_add") },
            Format::Functions,
            "`informal`: the format has no place for it",
        ),
        (human, Format::Apps, "this format is only read"),
    ] {
        assert!(said(&problem, format).ends_with(expected), "{}", said(&problem, format));
    }
    for format in Format::ALL {
        let is_written = problems.iter().any(|problem| write::line(problem, format).is_ok());
        assert_eq!(is_written, WRITABLE.contains(&format), "{format}");
    }
}

fn texts() -> impl Strategy<Value = String> {
    "[a-zA-Zα-ω∀→ \\n\\t\"\\\\{}:=.()-]{0,30}"
}

fn metadata() -> impl Strategy<Value = Metadata> {
    (proptest::option::of(texts()), any::<Option<u8>>(), proptest::option::of(texts()))
        .prop_map(|(topic, difficulty, origin)| Metadata { topic, difficulty, origin, license: None })
}

fn lean_problems() -> impl Strategy<Value = Problem> {
    let split = prop_oneof![Just(Split::Train), Just(Split::Valid), Just(Split::Test), Just(Split::Prompt)];
    ("[a-z]{1,8}", split, texts(), texts(), texts(), proptest::option::of(texts()), metadata()).prop_map(
        |(name, split, header, claim, informal, known, metadata)| Problem {
            name,
            split,
            source: "s".to_owned(),
            kind: Kind::Lean(LeanProblem { header, statement: format!("theorem x : {claim} := by") }),
            known,
            informal,
            metadata,
        },
    )
}

fn tasks() -> impl Strategy<Value = Problem> {
    let human = (texts(), texts()).prop_map(|(prompt, test)| {
        (
            "X/1".to_owned(),
            Split::Test,
            String::new(),
            PythonProblem::HumanEval { prompt, entry_point: "f".to_owned(), test: format!("check {test}") },
        )
    });
    let list = || proptest::collection::vec(texts(), 0..3);
    let mbpp = (1_u64..975, texts(), texts(), list(), list()).prop_map(
        |(number, words, setup, tests, challenge_tests)| {
            let tests = tests.into_iter().chain(["assert 1".to_owned()]).collect();
            let split = Split::of_mbpp(number).expect("in range");
            (format!("MBPP/{number}"), split, words, PythonProblem::Asserts { setup, tests, challenge_tests })
        },
    );
    let function = (texts(), texts(), list(), list()).prop_map(|(prompt, test, tests, hidden_tests)| {
        let prompt = format!("def f():{prompt}");
        let tests = tests.into_iter().chain([test]).collect();
        let python = PythonProblem::Function { prompt, entry_point: "f".to_owned(), tests, hidden_tests };
        ("pp_x".to_owned(), Split::Train, String::new(), python)
    });
    (prop_oneof![human, mbpp, function], texts()).prop_map(|((name, split, informal, python), known)| {
        Problem {
            name,
            split,
            source: "s".to_owned(),
            kind: Kind::Python(python),
            known: Some(known),
            informal,
            metadata: Metadata::default(),
        }
    })
}

proptest! {
    #[test]
    fn lean_problems_survive(problem in lean_problems()) {
        for format in [Format::LeanJsonl, Format::Problem] {
            let line = write::line(&problem, format).expect("fits");
            prop_assert_eq!(Format::detect_in(std::io::Cursor::new(line.clone().into_bytes())).ok(), Some(format));
            prop_assert_eq!(read(line, format), [problem.clone()]);
        }
    }

    #[test]
    fn programming_tasks_survive(problem in tasks()) {
        let format = match problem.name.chars().next() {
            Some('M') => Format::Mbpp,
            Some('p') => Format::Functions,
            _ => Format::HumanEval,
        };
        let line = write::line(&problem, format).expect("fits");
        prop_assert_eq!(Format::detect_in(std::io::Cursor::new(line.clone().into_bytes())).ok(), Some(format));
        prop_assert_eq!(read(line, format), [problem]);
    }

    #[test]
    fn no_text_makes_detection_fail_otherwise_than_by_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _either = Format::detect_in(std::io::Cursor::new(bytes.clone()));
        let _or = Format::detect_in(std::io::Cursor::new([&b"{\"name\":"[..], bytes.as_slice()].concat()));
    }
}
