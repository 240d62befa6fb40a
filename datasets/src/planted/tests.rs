use super::python::{Program, Value};
use super::*;
use crate::readers::{Format, from_reader};
use std::collections::HashMap;
use std::path::Path;

fn parts(task: &PlantedTask) -> (&str, &str, &[String], &[String]) {
    match &task.problem.kind {
        Kind::Python(PythonProblem::Function { prompt, entry_point, tests, hidden_tests }) => {
            (prompt, entry_point, tests, hidden_tests)
        }
        Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) => panic!("{task:?}"),
    }
}

fn drawn(seed: u64, count: usize) -> Vec<PlantedTask> {
    let tasks = tasks(seed, count, &HashSet::new());
    assert_eq!(tasks.len(), count);
    tasks
}

/// Whether a body passes a test, read from the texts alone.
fn passes(task: &PlantedTask, body: &str, test: &str) -> bool {
    let (prompt, entry_point, ..) = parts(task);
    let value = |text: &str| {
        Program::parse(&format!("return {text}"))
            .and_then(|program| program.call(&[], &[]).map_err(|fault| format!("{fault:?}")))
    };
    let call = test.strip_prefix(&format!("assert {entry_point}(")).expect("a call");
    let (arguments, expected) = call.rsplit_once(") == ").expect("a comparison");
    let Ok(Value::List(arguments)) = value(&format!("[{arguments}]")) else { panic!("{test}") };
    let names = prompt.split(['(', ')']).nth(1).expect("parameters");
    let names: Vec<&str> = names.split(", ").collect();
    let program = Program::parse(body).expect("a program");
    program.call(&names, &arguments).map_err(|fault| format!("{fault:?}")) == value(expected)
}

#[test]
fn a_seed_gives_the_same_tasks_and_a_larger_count_goes_on_from_them() {
    let twenty = drawn(5, 20);
    assert_eq!(twenty, drawn(5, 20));
    assert_eq!(twenty[..], drawn(5, 30)[..20]);
    assert_ne!(twenty[..5], drawn(6, 5)[..]);
}

#[test]
fn solutions_pass_all_tests_and_every_bug_fails_one_that_is_shown() {
    for task in drawn(1, 400) {
        let (_, _, tests, hidden) = parts(&task);
        assert!(tests.iter().chain(hidden).all(|test| passes(&task, &task.solution, test)), "{task:?}");
        assert!(!task.bugs.is_empty(), "{task:?}");
        for (at, bug) in task.bugs.iter().enumerate() {
            assert!(!tests.iter().all(|test| passes(&task, &bug.completion, test)), "{task:?}");
            let before = task.bugs[..at].iter().map(|bug| &bug.completion).chain([&task.solution]);
            assert!(before.into_iter().all(|body| *body != bug.completion), "{task:?}");
            assert!(draft::kind::ALL.contains(&bug.kind), "{task:?}");
        }
    }
}

#[test]
fn the_first_test_tells_the_choices_apart_and_hidden_tests_refute_the_others() {
    let mut open = 0;
    for task in drawn(2, 400) {
        let (_, _, tests, hidden) = parts(&task);
        let others = task.bugs.iter().filter(|bug| bug.kind == draft::kind::CONVENTION);
        for other in others.clone() {
            assert!(!passes(&task, &other.completion, &tests[0]), "{task:?}");
            assert!(!hidden.iter().all(|test| passes(&task, &other.completion, test)), "{task:?}");
        }
        open += usize::from(others.count() > 0);
    }
    assert!((160..=300).contains(&open), "{open} of 400 leave something open");
}

#[test]
fn one_docstring_stands_for_several_solutions() {
    let mut solutions: HashMap<String, HashSet<String>> = HashMap::new();
    for task in drawn(3, 1_500) {
        let doc = parts(&task).0.split("\"\"\"").nth(1).expect("a docstring").to_owned();
        solutions.entry(doc).or_default().insert(task.solution);
    }
    let open = solutions.values().filter(|solutions| solutions.len() > 1).count();
    assert!(open >= 20, "{open} of {} docstrings", solutions.len());
}

#[test]
fn texts_are_short_and_tasks_are_different() {
    let tasks = drawn(4, 800);
    let mut hashes = HashSet::new();
    for task in &tasks {
        let (prompt, entry_point, tests, hidden) = parts(task);
        assert!(prompt.len() <= 200 && task.solution.len() <= 200, "{task:?}");
        assert!(
            prompt.starts_with(&format!("def {entry_point}(")) && prompt.ends_with("\"\"\"\n"),
            "{prompt}"
        );
        assert!(task.solution.lines().all(|line| line.starts_with("    ")), "{task:?}");
        assert!(tests.len() == 3 && hidden.len() == 4, "{task:?}");
        let all: HashSet<&String> = tests.iter().chain(hidden).collect();
        assert!(all.len() == 7 && all.iter().all(|test| test.len() <= 80), "{task:?}");
        for bug in &task.bugs {
            assert!(bug.completion.len() <= 200 && bug.explanation.len() <= 100, "{bug:?}");
            let sentence = bug.explanation.ends_with('.') && !bug.explanation.contains(['\n', '@', '{']);
            assert!(sentence && bug.explanation.contains("; it must "), "{bug:?}");
        }
        assert!(hashes.insert(task.problem.content_hash()), "{task:?}");
    }
    let solutions: HashSet<(&str, &str)> =
        tasks.iter().map(|task| (parts(task).0, task.solution.as_str())).collect();
    assert!(solutions.len() > 600, "only {} different tasks", solutions.len());
}

#[test]
fn every_family_gives_tasks_and_about_half_leave_something_open() {
    let families = families::all();
    let names: HashSet<&str> = families.iter().map(|family| family.name).collect();
    assert!(names.len() == families.len() && names.len() >= 40, "{}", names.len());
    let mut open = 0;
    for family in &families {
        let mut rng = Rng::new(11);
        let draft = || {
            let draft = (family.draft)(&mut rng);
            let is_open = !draft.others.is_empty();
            assemble::assemble(draft, &mut rng).map(|_| is_open)
        };
        let found = std::iter::repeat_with(draft).take(60).flatten().next();
        open += usize::from(found.unwrap_or_else(|| panic!("{} gives no task", family.name)));
    }
    assert!((families.len() * 4 / 10..families.len() * 3 / 4).contains(&open), "{open}");
}

#[test]
fn questions_of_the_workbooks_valid_and_test_are_never_asked() {
    let held_out = held_out();
    assert!(held_out.len() >= 100);
    let open: HashSet<Question> = drawn(7, 300).iter().map(|task| Question::of(parts(task).0)).collect();
    // The seed asks some of them, so that the exclusion has something to do.
    let asked: Vec<&Question> = open.iter().filter(|question| held_out.contains(question)).collect();
    assert!(!asked.is_empty());
    for task in tasks(7, 300, &held_out) {
        assert!(!held_out.contains(&Question::of(parts(&task).0)), "{task:?}");
    }
}

#[test]
fn tasks_are_written_as_the_workbook_is() {
    let tasks = drawn(8, 25);
    let options = crate::Options { source: Some("planted".to_owned()), ..crate::Options::default() };
    let text = jsonl(&tasks);
    let read = from_reader(
        Path::new("p"),
        std::io::Cursor::new(text.clone().into_bytes()),
        Format::Functions,
        &options,
    );
    let read: Vec<Problem> = read.map(|problem| problem.expect("sound")).collect();
    assert_eq!(read, tasks.iter().map(|task| task.problem.clone()).collect::<Vec<_>>());
    let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["bugs"][0]["completion"], tasks[0].bugs[0].completion.as_str());
    assert_eq!(first["family"], tasks[0].family);
}
