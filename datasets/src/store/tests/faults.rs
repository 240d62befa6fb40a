//! Errors, and what is left behind by whatever interrupts a writer.

use super::*;
use rusqlite::Connection;
use std::fs;
use std::time::Duration;

/// The store as a `kill -9` at this moment would leave it: what the system has been given, in another folder.
fn killed(place: &Place) -> Place {
    let copy = Place::new();
    for entry in fs::read_dir(place.folder.path()).unwrap() {
        let entry = entry.unwrap();
        // The shared memory dies with the process; the next one makes it from the journal.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), copy.folder.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}

fn error(path: &Path) -> String {
    RunStore::open(path).unwrap_err().to_string()
}

#[test]
fn a_stage_with_a_record_that_cannot_be_writes_nothing() {
    let place = Place::new();
    let mut store = place.create();
    small_run(&mut store, true);
    let before = dump(&store);
    let candidate = judge(&mut store, 1, "omega", "accepted");
    let good = StageWrites {
        statements: vec![conjecture(4, 2, 3)],
        conjectures: vec![record(2, 0, "new", Some(4))],
        samples: vec![sample("prove", 2, 4, 0, candidate)],
        examples: vec![example(2, 0, "omega", 1.0)],
        ..StageWrites::default()
    };
    let refused = |change: &dyn Fn(&mut StageWrites)| {
        let mut writes = good.clone();
        change(&mut writes);
        let error = store.finish_stage(key(2, "all"), &writes).unwrap_err();
        assert_eq!(dump(&store), before);
        assert_eq!(store.stage(key(2, "all")).unwrap(), None);
        error.to_string().replace(place.folder.path().to_str().unwrap(), "…")
    };
    let mut refused = refused;
    let complaints = [
        refused(&|writes| writes.statements.push(conjecture(3, 2, 3))),
        refused(&|writes| writes.statements.push(conjecture(5, 2, 99))),
        refused(&|writes| writes.statements.push(conjecture(0, 2, 1))),
        refused(&|writes| writes.conjectures.push(record(1, 1, "new", None))),
        refused(&|writes| writes.conjectures.push(record(2, 1, "new", Some(99)))),
        refused(&|writes| writes.samples.push(sample("prove", 2, 4, 0, candidate))),
        refused(&|writes| writes.samples.push(sample("prove", 2, 99, 0, candidate))),
        refused(&|writes| writes.samples.push(sample("prove", 2, 4, 1, 99))),
        refused(&|writes| writes.examples.push(example(1, 0, "omega", 1.0))),
        refused(&|writes| writes.examples.push(example(2, 1, "omega", f64::NAN))),
    ];
    insta::assert_snapshot!(complaints.join("\n"), @r##"
the run store `…/store.sqlite` refuses statement 3
the run store `…/store.sqlite` refuses statement 5
the run store `…/store.sqlite` refuses statement 0
the run store `…/store.sqlite` refuses conjecture 1 of iteration 1
the run store `…/store.sqlite` refuses conjecture 1 of iteration 2
the run store `…/store.sqlite` refuses sample 0 of statement 4 in stage `prove` of iteration 2
the run store `…/store.sqlite` refuses sample 0 of statement 99 in stage `prove` of iteration 2
the run store `…/store.sqlite` refuses sample 1 of statement 4 in stage `prove` of iteration 2
the run store `…/store.sqlite` refuses example 0 of iteration 1
the run store `…/store.sqlite` refuses example 1 of iteration 2: its weight is NaN
"##);
    // The same stage without the wrong record goes in, and once only.
    store.finish_stage(key(2, "all"), &good).unwrap();
    let after = dump(&store);
    let error = store.finish_stage(key(2, "all"), &StageWrites::default()).unwrap_err();
    assert!(error.to_string().starts_with("stage `all` of iteration 2 is finished already"), "{error}");
    assert_eq!(dump(&store), after);
}

#[test]
fn a_kill_takes_no_verdict_and_leaves_whole_stages() {
    let place = Place::new();
    let mut store = place.create();
    small_run(&mut store, true);
    let text = CandidateText { header: "", statement: "theorem t : True := by", completion: "trivial" };
    store.add_verdict(&text, &verdict("accepted")).unwrap();
    let copy = killed(&place);
    let after = RunStore::open(&copy.path()).unwrap();
    assert_eq!(dump(&after), dump(&store));
    assert!(after.verdict(&text).unwrap().is_some());

    // In the middle of a stage that is too big for the memory it may have, so that half of it is in the journal.
    let whole = dump(&store);
    store.connection.pragma_update(None, "cache_size", 10).unwrap();
    let journal = place.folder.path().join("store.sqlite-wal");
    let length = || fs::metadata(&journal).unwrap().len();
    let before = length();
    let transaction = store.connection.unchecked_transaction().unwrap();
    for id in 4..2000 {
        let statement = Statement { key: [7; 32], ..conjecture(100, 2, 1) };
        statements::insert(&transaction, &Statement { id, name: format!("c{id}").repeat(20), ..statement })
            .unwrap();
    }
    assert!(length() > before + 100_000, "nothing was written yet: the test shows nothing");
    let copy = killed(&place);
    drop(transaction);
    for open in [RunStore::open_read_only, RunStore::open] {
        assert_eq!(dump(&open(&copy.path()).unwrap()), whole);
    }
}

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    let place = Place::new();
    let path = place.path();
    let shown = path.display();
    assert_eq!(error(&path), format!("there is no run store `{shown}`"));
    assert!(!path.exists(), "opening has made a file");
    for text in ["", "SQLite format 3", "# a text\n"] {
        fs::write(&path, text.repeat(100)).unwrap();
        assert_eq!(error(&path), format!("`{shown}` is not a run store"), "{text}");
    }
    assert_eq!(
        RunStore::create(&path).unwrap_err().to_string(),
        format!("the run store `{shown}` is there already")
    );
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert_eq!(error(&path), format!("`{shown}` is not a run store"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(error(&path), format!("`{shown}` is not a run store"));
    fs::remove_dir(&path).unwrap();
    place.create();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let expected = format!("the run store `{shown}` has format 99, and this program reads format 1");
    assert_eq!(error(&path), expected);
    let nowhere = place.folder.path().join("no/store.sqlite");
    let error = RunStore::create(&nowhere).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot make the run store `{}`", nowhere.display()));
}

#[test]
fn a_store_that_another_process_writes_to_says_so() {
    let place = Place::new();
    let mut store = place.create();
    small_run(&mut store, true);
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.connection.busy_timeout(Duration::from_millis(10)).unwrap();
    let text = CandidateText { header: "", statement: "", completion: "" };
    for error in [
        store.add_verdict(&text, &verdict("accepted")).unwrap_err(),
        store.finish_stage(key(2, "prove"), &StageWrites::default()).unwrap_err(),
        store.set_meta("a", "b").unwrap_err(),
    ] {
        let expected = format!("another process holds the run store `{}`", place.path().display());
        assert_eq!(error.to_string(), expected);
    }
    // Reading needs nobody's leave.
    assert_eq!(store.next_statement_id().unwrap(), 4);
    other.execute_batch("COMMIT").unwrap();
    store.add_verdict(&text, &verdict("accepted")).unwrap();
}

#[test]
fn what_an_interrupted_creation_left_is_no_hindrance() {
    let place = Place::new();
    for left in ["store.sqlite.partial", "store.sqlite.partial-journal"] {
        fs::write(place.folder.path().join(left), "half a database").unwrap();
    }
    let mut store = place.create();
    small_run(&mut store, true);
    drop(store);
    let names: Vec<_> =
        fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store.sqlite"]);
}

#[test]
fn a_row_that_means_nothing_is_an_error_and_no_panic() {
    let place = Place::new();
    let store = place.create();
    store.connection.execute("INSERT INTO stages VALUES (1, 1, 'prove', 0, 'no JSON')", []).unwrap();
    let error = store.stages().unwrap_err();
    assert_eq!(error.to_string(), format!("the run store `{}` can't be used", place.path().display()));
}
