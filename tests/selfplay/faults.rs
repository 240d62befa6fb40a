//! What is wrong is named, and nothing is lost.

use crate::common::{Place, small, told};
use std::fs;

fn says(output: &std::process::Output, code: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", told(output));
    for word in words {
        assert!(told(output).contains(word), "`{word}` is not in {}", told(output));
    }
}

#[test]
fn bad_settings_problems_and_folders_are_named() {
    let place = Place::with_fake_repl();
    fs::write(place.join("bad.toml"), "seed = 1\nno_such_rule = true\n").expect("written");
    says(&place.run(&["selfplay", "--settings", "bad.toml"]), 2, &["bad.toml", "no_such_rule"]);
    says(&place.run(&["selfplay", "--problems", "none.jsonl"]), 2, &["none.jsonl"]);
    let python = concat!(r#"{"name":"a","split":"test","formal_statement":"theorem a : 1 = 1 := by"}"#, "\n");
    fs::write(place.join("held-out.jsonl"), python).expect("written");
    says(&place.run(&["selfplay", "--problems", "held-out.jsonl"]), 2, &["none of the split `train`"]);
    fs::create_dir(place.join("foreign")).expect("made");
    fs::write(place.join("foreign/letter.txt"), "dear").expect("written");
    says(&place.run(&["selfplay", "--run", "foreign"]), 2, &["foreign", "letter.txt"]);
    assert_eq!(fs::read_to_string(place.join("foreign/letter.txt")).expect("there"), "dear");
    says(&place.run(&["selfplay", "--shown-proofs", "1.5"]), 2, &["shown_proofs"]);
    says(&place.run(&["selfplay", "--model", "nowhere"]), 2, &["nowhere"]);
}

#[test]
fn another_run_in_the_folder_is_left_alone() {
    let place = Place::with_fake_repl();
    let mut settings = small();
    settings.iterations = 0;
    settings.evaluation.samples = 0;
    settings.evaluation.ks.clear();
    let path = place.settings(&settings);
    let path = path.to_str().expect("UTF-8");
    says(&place.run(&["selfplay", "--run", "one", "--settings", path]), 0, &[]);
    let before = place.dump("one");
    let other = place.run(&["selfplay", "--run", "one", "--settings", path, "--seed", "6"]);
    says(&other, 2, &["holds another run", "`seed` is 5 there, and would be 6"]);
    // Without settings the run goes on with those that are there; it is at its end, so nothing happens.
    says(&place.run(&["selfplay", "--run", "one"]), 0, &[]);
    assert_eq!(place.dump("one"), before);
    fs::write(place.join("one/run.toml"), "format = 9").expect("written");
    says(&place.run(&["selfplay", "--run", "one"]), 2, &["run.toml"]);
}
