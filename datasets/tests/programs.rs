//! What the bundled programming workbook promises of its form. That its solutions pass is for the judge to say.

use proofloop_datasets::planted::Question;
use proofloop_datasets::readers::{self, Format, Options};
use proofloop_datasets::{Kind, Problem, PythonProblem, Split, programs};
use std::collections::{HashMap, HashSet};
use std::path::Path;

const SPLITS: [Split; 3] = [Split::Train, Split::Valid, Split::Test];

fn everything() -> Vec<Problem> {
    SPLITS.into_iter().flat_map(programs::problems).collect()
}

struct Task<'p> {
    prompt: &'p str,
    entry_point: &'p str,
    tests: &'p [String],
    hidden_tests: &'p [String],
}

fn task(problem: &Problem) -> Task<'_> {
    match &problem.kind {
        Kind::Python(PythonProblem::Function { prompt, entry_point, tests, hidden_tests }) => {
            Task { prompt, entry_point, tests, hidden_tests }
        }
        Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) => {
            panic!("{} is no function", problem.name)
        }
    }
}

#[test]
fn every_line_that_ships_is_read() {
    for split in SPLITS {
        let text = programs::jsonl(split);
        let path = Path::new(split.name());
        let results: Vec<_> =
            readers::from_reader(path, text.as_bytes(), Format::Functions, &Options::default()).collect();
        for result in &results {
            assert!(result.is_ok(), "{result:?}");
        }
        assert_eq!(results.len(), text.lines().count());
        assert!(programs::problems(split).iter().all(|problem| problem.split == split));
    }
    assert!(programs::problems(Split::Prompt).is_empty());
}

#[test]
fn there_are_enough_tasks_of_every_difficulty() {
    let all = everything();
    let names: HashSet<&str> = all.iter().map(|problem| problem.name.as_str()).collect();
    let entry_points: HashSet<&str> = all.iter().map(|problem| task(problem).entry_point).collect();
    assert!(names.len() == all.len() && entry_points.len() == all.len());
    for (split, least) in [(Split::Train, 100), (Split::Valid, 20), (Split::Test, 80)] {
        let problems = programs::problems(split);
        assert!(problems.len() >= least, "{split}: {}", problems.len());
        let share = |levels: std::ops::RangeInclusive<u8>| {
            let has =
                |problem: &&Problem| problem.metadata.difficulty.is_some_and(|level| levels.contains(&level));
            problems.iter().filter(has).count() * 100 / problems.len()
        };
        let shares = (share(1..=2), share(3..=3), share(4..=5));
        assert!((55..=65).contains(&shares.0), "{split}: {shares:?}");
        assert!((20..=30).contains(&shares.1), "{split}: {shares:?}");
        assert!((10..=20).contains(&shares.2), "{split}: {shares:?}");
        assert_eq!(shares.0 + shares.1 + shares.2, 100, "{split}: a difficulty that is none");
    }
}

#[test]
fn prompts_and_solutions_have_the_form_of_a_function() {
    for problem in everything() {
        let (name, Task { prompt, entry_point, .. }) = (&problem.name, task(&problem));
        assert_eq!(*name, format!("pw_{entry_point}"));
        let topic = problem.metadata.topic.as_deref();
        assert!(topic.is_some_and(|topic| ["lists", "numbers", "text", "words"].contains(&topic)), "{name}");
        let (signature, doc) = prompt.split_once('\n').expect("a docstring");
        assert!(signature.starts_with(&format!("def {entry_point}(")) && signature.ends_with("):"), "{name}");
        assert!(!signature.contains("->") && signature.matches(':').count() == 1, "{name}: {signature}");
        let doc = doc.strip_prefix("    \"\"\"").and_then(|doc| doc.strip_suffix("\"\"\"\n"));
        let doc = doc.unwrap_or_else(|| panic!("{name}: {prompt}")).trim_end();
        assert!((1..=3).contains(&doc.lines().count()) && !doc.contains("\"\"\""), "{name}: {doc}");
        let solution = problem.known.as_deref().expect("a solution");
        assert!(solution.ends_with('\n') && !solution.contains('\t'), "{name}");
        assert!(solution.lines().all(|line| line.starts_with("    ")), "{name}: {solution}");
    }
}

#[test]
fn tests_call_the_function_and_no_constant_passes_the_hidden_ones() {
    for problem in everything() {
        let (name, Task { entry_point, tests, hidden_tests, .. }) = (&problem.name, task(&problem));
        assert!((2..=4).contains(&tests.len()) && (3..=6).contains(&hidden_tests.len()), "{name}");
        let all: Vec<(&str, &str)> = tests
            .iter()
            .chain(hidden_tests)
            .map(|test| {
                let call = test.strip_prefix(&format!("assert {entry_point}(")).expect(name);
                call.rsplit_once(") == ").expect(name)
            })
            .collect();
        let calls: HashSet<&str> = all.iter().map(|(call, _)| *call).collect();
        assert_eq!(calls.len(), all.len(), "{name}: a call is tested twice");
        let results: HashSet<&str> = all[tests.len()..].iter().map(|(_, result)| *result).collect();
        assert!(results.len() > 1, "{name}: {results:?}");
    }
}

#[test]
fn no_question_is_asked_twice_in_any_split() {
    let mut first = HashMap::new();
    for problem in everything() {
        if let Some(other) = first.insert(Question::of(task(&problem).prompt), problem.name.clone()) {
            panic!("{} and {other} ask the same", problem.name);
        }
    }
    let mut tests: HashMap<Vec<String>, String> = HashMap::new();
    for problem in everything() {
        let task = task(&problem);
        let nameless = |test: &String| test.replace(task.entry_point, "f");
        let key = task.tests.iter().chain(task.hidden_tests).map(nameless).collect();
        if let Some(other) = tests.insert(key, problem.name.clone()) {
            panic!("{} and {other} have the same tests", problem.name);
        }
    }
}
