//! `proofloop report` as a user drives it.

use super::{directory, run, write};
use proofloop_datasets::Split;
use proofloop_datasets::store::{Origin, RunStore, StageKey, StageWrites, Statement};
use std::fs;
use std::path::Path;

/// A run that has done its first stage.
fn begun(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let mut store = RunStore::create(&folder.join("store.sqlite")).expect("a new store");
    let statement = Statement {
        id: 1,
        key: [1; 32],
        name: "one".to_owned(),
        header: String::new(),
        text: "theorem one : 1 = 1 := by".to_owned(),
        origin: Origin::Problem,
        split: Some(Split::Train),
        known: None,
        lineage: None,
    };
    let writes = StageWrites { statements: vec![statement], ..StageWrites::default() };
    store.finish_stage(StageKey { iteration: 0, stage: "problems" }, &writes).expect("written");
    write(folder, "run.toml", "[settings]\npreset = \"nano <tiny>\"\n");
}

#[test]
fn a_run_that_has_begun_has_a_page() {
    let directory = directory();
    begun(&directory.path().join("first"));
    begun(&directory.path().join("second"));
    let ran = run(directory.path(), &["report", "first"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(ran.err.contains("written to first/report.html"), "{}", ran.err);
    let page = fs::read_to_string(directory.path().join("first/report.html")).expect("a page");
    assert!(page.contains("nano &lt;tiny&gt;") && page.contains("of 1<"), "{page}");
    let ran = run(directory.path(), &["report", "first", "--baseline", "second", "--out", "both.html"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(directory.path().join("both.html").exists());
}

#[test]
fn what_is_no_run_is_an_input_error() {
    let directory = directory();
    fs::create_dir(directory.path().join("empty")).expect("a folder");
    write(directory.path(), "empty/store.sqlite", "no store");
    for folder in ["missing", "empty"] {
        let ran = run(directory.path(), &["report", folder]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        assert!(ran.err.contains(folder), "{}", ran.err);
    }
}
