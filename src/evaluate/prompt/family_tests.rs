use super::super::sample_problems::{asserts, human_eval, lean, mbpp};
use super::*;
use std::error::Error as _;

const SETTINGS: &str =
    "name = \"mine\"\nsource = \"here\"\ntasks = [\"lean\"]\n[answer]\nrule = \"continuation\"\n";

fn mine(settings: &str, template: &str) -> Result<PromptFamily, PromptError> {
    PromptFamily::parse("mine.toml", settings, "mine.jinja", template)
}

/// The whole chain of causes.
fn told<T: std::fmt::Debug>(result: Result<T, PromptError>) -> String {
    let error = result.expect_err("refused");
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}

#[test]
fn all_that_is_built_in_is_sound() {
    let mut fingerprints = BTreeSet::new();
    for name in PromptFamily::names() {
        let family = PromptFamily::builtin(name).expect("built in");
        assert_eq!(family.name(), name);
        assert!(!family.settings().source.is_empty());
        for problem in [lean(), human_eval(), asserts()] {
            let messages = family.messages(&problem, &Context::default());
            assert_eq!(messages.is_ok(), family.settings().tasks.contains(&Task::of(&problem)), "{name}");
        }
        assert!(fingerprints.insert(family.fingerprint().to_owned()), "{name}");
    }
    assert!(fingerprints.len() >= 10);
    assert_eq!(OWN_EXAMPLES.len(), 3);
}

#[test]
fn names_and_files() {
    let unknown = told(PromptFamily::named("kimina-v9"));
    assert!(
        unknown.starts_with("no prompt family is called `kimina-v9`; built in are plain, stp, "),
        "{unknown}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.toml");
    let name = path.to_str().expect("UTF-8");
    assert!(told(PromptFamily::named(name)).contains("mine.toml`: "));
    fs::write(&path, SETTINGS).expect("written");
    assert!(told(PromptFamily::named(name)).contains("mine.jinja`: "));
    fs::write(path.with_extension("jinja"), "Prove <this> & \"that\":\n{{ statement }}\n").expect("written");
    let family = PromptFamily::named(name).expect("a family");
    let prompt = family.render(&lean(), &Context::default()).expect("renders");
    assert!(prompt.starts_with("Prove <this> & \"that\":\ntheorem double_lt"));
    assert!(prompt.contains("\"<&>\"") && prompt.ends_with(":= by"), "{prompt}");
    assert_eq!(PromptFamily::named("stp").expect("built in").name(), "stp");
}

#[test]
fn no_markup_whatever_the_template_is_called() {
    let family =
        PromptFamily::parse("mine.toml", SETTINGS, "mine.html", "{{ statement }}").expect("a family");
    assert!(family.render(&lean(), &Context::default()).expect("renders").contains("\"<&>\""));
}

#[test]
fn templates_that_ask_for_more_are_refused() {
    assert_eq!(
        told(mine(SETTINGS, "{{ header }}{{ proof }}")),
        "the template `mine.jinja` uses `proof`; it is given name, header, informal, words, statement, statement_line, \
         statement_by, anonymous"
    );
    // Globals are no variables.
    mine(SETTINGS, "{% for i in range(3) %}{{ i }}{% endfor %}{% set x = statement %}{{ x }}")
        .expect("a family");
    let broken = told(mine(SETTINGS, "{{ header"));
    assert!(broken.starts_with("the template `mine.jinja` does not parse: "), "{broken}");
    // What can't be told before is told with the problem.
    let family = mine(SETTINGS, "{{ statement.text }}").expect("a family");
    let strict = told(family.render(&lean(), &Context::default()));
    assert!(
        strict.starts_with("cannot fill in the template `mine.jinja` for `double_lt`: undefined value"),
        "{strict}"
    );
}

#[test]
fn settings_that_can_t_be_meant_are_refused() {
    let cases = [
        (SETTINGS.replace("source", "origin"), "unknown field `origin`"),
        (SETTINGS.replace("continuation", "guess"), "unknown variant `guess`"),
        (SETTINGS.replace("\"lean\"", ""), "the family has no `tasks`"),
        (SETTINGS.replace("name = \"mine\"", "name = \"\""), "the family has no `name`"),
        (SETTINGS.replace("tasks", "stop = [\"\"]\ntasks"), "an empty string among `stop`"),
        (
            SETTINGS.replace("\"continuation\"", "\"last-block\"\nlanguages = []"),
            "needs at least one of `languages`",
        ),
        (SETTINGS.replace("\"continuation\"", "\"last-block\""), "missing field `languages`"),
        (SETTINGS.replace("lean", "asserts").replace("continuation", "indented"), "is for Lean alone"),
        (format!("{SETTINGS}new_line = true\n"), "unknown field `new_line`"),
        (format!("{SETTINGS}new-line = true\n").replace("lean", "asserts"), "`new-line` is for Lean alone"),
        (format!("{SETTINGS}[few-shot]\ncount = 1\n"), "`few-shot` is for tasks of the kind `asserts` alone"),
        (format!("{SETTINGS}[few-shot]\ncount = 0\n").replace("lean", "asserts"), "nonzero"),
        (
            format!("{SETTINGS}[few-shot]\ncount = 2\nnames = [\"a\"]\n").replace("lean", "asserts"),
            "names another number of examples",
        ),
        (format!("{SETTINGS}[chat]\nformat = \"alpaca\"\n"), "unknown variant `alpaca`"),
    ];
    for (settings, expected) in cases {
        let told = told(mine(&settings, ""));
        assert!(told.starts_with("`mine.toml`") && told.contains(expected), "{told}");
    }
}

#[test]
fn problems_of_another_kind_are_refused() {
    let family = PromptFamily::builtin("stp").expect("built in");
    assert_eq!(
        told(family.render(&human_eval(), &Context::default())),
        "the prompt family `stp` is not for `Own/0`, a task of the kind `human-eval`"
    );
}

#[test]
fn examples_must_be_enough_and_solved_and_others() {
    let family = PromptFamily::builtin("mbpp-few-shot").expect("built in");
    let render = |few_shot: &[Problem]| told(family.render(&asserts(), &Context { few_shot }));
    let solved = mbpp("MBPP/2", "Two.", "f2", "x = 1");
    assert_eq!(
        render(std::slice::from_ref(&solved)),
        "the prompt family `mbpp-few-shot` shows 3 examples, but 1 are given"
    );
    let unsolved = Problem { name: "MBPP/3".to_owned(), known: None, ..solved.clone() };
    assert!(render(&[solved.clone(), unsolved, solved.clone()]).starts_with("`MBPP/3` can be no example"));
    assert!(render(&[solved.clone(), lean(), solved.clone()]).starts_with("`double_lt` can be no example"));
    let itself = render(&[solved.clone(), asserts(), solved]);
    assert_eq!(itself, "`MBPP/11` would be asked behind its own solution: it is among the examples");
}

#[test]
fn a_chat_without_a_format_is_no_text() {
    let family = PromptFamily::builtin("evalplus-instruct").expect("built in");
    assert!(told(family.render(&human_eval(), &Context::default())).contains("for chat APIs only"));
    assert!(family.is_chat() && family.messages(&human_eval(), &Context::default()).is_ok());
    let messages = PromptFamily::builtin("stp").expect("built in");
    assert!(!messages.is_chat());
}
