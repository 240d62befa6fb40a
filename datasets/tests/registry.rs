//! The registry that ships: sound in itself, and true of the published files where they are at hand.
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

mod common;

use common::shared;
use proofloop_datasets::errata::{self, Counts, Errata, Policy};
use proofloop_datasets::registry::{OtherHash, Presence, Registry, RegistryError, sha256_of};
use proofloop_datasets::{Cause, Kind, Problem, ReadError, Split};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

fn data() -> Option<Vec<PathBuf>> {
    Some(vec![shared("")?])
}

/// Problems by split, and all records.
fn counted(records: impl Iterator<Item = Result<Problem, ReadError>>) -> (BTreeMap<Split, u64>, u64) {
    let (mut splits, mut all) = (BTreeMap::new(), 0);
    for record in records {
        all += 1;
        match record {
            Ok(problem) => *splits.entry(problem.split).or_default() += 1,
            Err(ReadError { cause: Cause::NoProblem { .. }, .. }) => {}
            Err(error) => panic!("{error}: {}", error.cause),
        }
    }
    (splits, all)
}

#[test]
fn names_are_unique_and_hashes_are_hashes() {
    let mut names = HashSet::new();
    for dataset in Registry::known().datasets() {
        for name in dataset.aliases.iter().chain([&dataset.name]) {
            assert!(names.insert(name.as_str()), "{name} is there twice");
            assert_eq!(Registry::known().find(name).expect("known").name, dataset.name);
        }
        assert_eq!(dataset.bundled, dataset.files.is_empty(), "{}", dataset.name);
        for file in &dataset.files {
            let is_hash = |hash: &String| hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
            assert!(file.sha256.as_ref().is_none_or(is_hash), "{}", file.path);
            assert!(Path::new(&file.path).is_relative() && !file.path.contains(".."), "{}", file.path);
            assert!(
                file.sha256.is_some() || file.origin(None).is_some(),
                "{}: neither hash nor origin",
                file.path
            );
        }
    }
    assert!(matches!(Registry::known().find("minif3f"), Err(RegistryError::Unknown { .. })));
}

#[test]
fn addresses_name_the_revision() {
    let url = |name: &str| {
        let dataset = Registry::known().find(name).expect("known");
        dataset.files[0]
            .origin(dataset.revision.as_deref())
            .map(|origin| format!("{}{}", origin.host, origin.path))
    };
    let expected = "https://raw.githubusercontent.com/openai/human-eval/6d43fb980f9fee3c892a914eda09951f772ad10d/data/HumanEval.jsonl.gz";
    assert_eq!(url("humaneval").as_deref(), Some(expected));
    let expected = "https://huggingface.co/datasets/internlm/Lean-Workbook/resolve/main/lean_workbook.json";
    assert_eq!(url("lean-workbook").as_deref(), Some(expected));
    assert_eq!(url("core-lean"), None);
}

#[test]
fn every_pinned_file_at_hand_is_the_pinned_one_and_has_the_sizes_that_are_claimed() {
    let Some(directories) = data() else { return };
    let (mut seen, mut differ) = (0, Vec::new());
    for dataset in Registry::known().datasets() {
        match dataset.presence(&directories).expect("readable") {
            Presence::Missing(_) => continue,
            Presence::Bundled | Presence::Found(_) => seen += 1,
            other @ (Presence::Unpinned(_) | Presence::OtherHash(_)) => panic!("{}: {other:?}", dataset.name),
        }
        let opened = dataset.open(&directories, OtherHash::Refuse).expect("there");
        assert_eq!(opened.files.len(), dataset.files.len());
        let (splits, records) = counted(opened);
        if splits != dataset.splits {
            differ.push(format!("{}: {splits:?} instead of {:?}", dataset.name, dataset.splits));
        }
        let claimed: Option<u64> = dataset.files.iter().map(|file| file.records).sum();
        assert!(dataset.bundled || claimed == Some(records), "{}: {records} records", dataset.name);
    }
    assert_eq!(differ, Vec::<String>::new());
    assert_eq!(seen, 21, "of the data sets at hand");
}

#[test]
fn another_file_is_refused_unless_that_is_allowed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("humaneval/HumanEval.jsonl.gz");
    std::fs::create_dir(directory.path().join("humaneval")).expect("made");
    let record = r#"{"task_id":"a/0","prompt":"p","entry_point":"f","canonical_solution":"s","test":"t"}"#;
    std::fs::write(&path, record).expect("written");
    let dataset = Registry::known().find("humaneval").expect("known");
    let empty = tempfile::tempdir().expect("a directory");
    let directories = [empty.path().to_owned(), directory.path().to_owned()];
    assert_eq!(dataset.presence(&directories).expect("readable"), Presence::OtherHash(path.clone()));
    let error = dataset.open(&directories, OtherHash::Refuse).expect_err("another file").to_string();
    let found = sha256_of(&path).expect("readable");
    for part in [
        &path.display().to_string(),
        &found,
        "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let mut opened = dataset.open(&directories, OtherHash::Allow).expect("allowed");
    assert_eq!(opened.files[0].sha256, found);
    assert_eq!(opened.next().expect("one").expect("sound").source, "humaneval");
    assert!(opened.next().is_none());
    let error = dataset.open(&directories[..1], OtherHash::Allow).expect_err("not there");
    assert!(matches!(error, RegistryError::Missing { .. }), "{error}");
}

#[test]
fn the_bundled_workbooks_are_data_sets() {
    for (name, language) in [("workbook", "lean"), ("programs", "python")] {
        let dataset = Registry::known().find(name).expect("known");
        let mut opened = dataset.open(&[], OtherHash::Refuse).expect("bundled");
        assert!(opened.files.is_empty());
        assert_eq!(opened.next().expect("one").expect("sound").language(), language);
        let opened = dataset.open(&[], OtherHash::Refuse).expect("bundled");
        assert_eq!(counted(opened).0, dataset.splits);
    }
}

fn named(name: &str) -> Problem {
    let workbook =
        Registry::known().find("workbook").expect("known").open(&[], OtherHash::Refuse).expect("bundled");
    let problem = workbook.map(|problem| problem.expect("sound")).next().expect("one");
    Problem { name: name.to_owned(), known: Some("old".to_owned()), ..problem }
}

#[test]
fn wrong_statements_are_kept_left_out_or_corrected_and_counted() {
    let problems = || vec![named("aime_1994_p3"), named("fine"), named("mathd_algebra_314")];
    let never = |_: &str| -> Result<Vec<Problem>, RegistryError> { panic!("nothing is to be corrected") };
    let (kept, counts) = errata::apply("minif2f", problems(), Policy::Keep, never).expect("kept");
    assert_eq!((kept, counts), (problems(), Counts { listed: 2, excluded: 0, corrected: 0 }));
    let (left, counts) = errata::apply("minif2f", problems(), Policy::Exclude, never).expect("left out");
    assert_eq!((left, counts), (vec![named("fine")], Counts { listed: 2, excluded: 2, corrected: 0 }));
    let right = |name: &str| {
        assert_eq!(name, "minif2f-goedel-v2");
        let correct = |name| Problem { known: None, split: Split::Test, ..named(name) };
        Ok(vec![correct("mathd_algebra_314"), correct("aime_1994_p3")])
    };
    let (corrected, counts) =
        errata::apply("minif2f", problems(), Policy::Correct, right).expect("corrected");
    assert_eq!(counts, Counts { listed: 2, excluded: 0, corrected: 2 });
    assert_eq!(
        corrected.iter().map(|problem| problem.known.is_some()).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert!(corrected.iter().all(|problem| problem.split == Split::Train), "the split is the old one");
    let error =
        errata::apply("minif2f", problems(), Policy::Correct, |_| Ok(Vec::new())).expect_err("not there");
    assert!(error.to_string().contains("has no `aime_1994_p3`"), "{error}");
    let (same, counts) =
        errata::apply("workbook", problems(), Policy::Exclude, never).expect("nothing listed");
    assert_eq!((same.len(), counts), (3, Counts::default()));
}

#[test]
fn the_list_is_the_difference_of_the_two_lineages() {
    let Some(directories) = data() else { return };
    let read = |name: &str| -> Vec<Problem> {
        let dataset = Registry::known().find(name).expect("known");
        dataset
            .open(&directories, OtherHash::Refuse)
            .expect("there")
            .map(|problem| problem.expect("sound"))
            .collect()
    };
    let old = read("minif2f");
    let lineage = Errata::known().of("minif2f").expect("listed");
    assert_eq!(lineage.statements.len(), 15);
    let in_test = old.iter().filter(|problem| problem.split == Split::Test);
    let listed: HashSet<&str> = lineage.statements.iter().map(|erratum| erratum.name.as_str()).collect();
    assert_eq!(in_test.filter(|problem| listed.contains(problem.name.as_str())).count(), 15);
    let (corrected, counts) =
        errata::apply("minif2f", old.clone(), Policy::Correct, |name| Ok(read(name))).expect("corrected");
    assert_eq!((corrected.len(), counts.corrected), (488, 15));
    let statement = |problem: &Problem| match &problem.kind {
        Kind::Lean(lean) => lean.statement.split_whitespace().collect::<String>(),
        Kind::LeanGaps(_) | Kind::Isabelle(_) | Kind::Python(_) => panic!("{problem:?}"),
    };
    let changed = old.iter().zip(&corrected).filter(|(old, new)| statement(old) != statement(new));
    assert_eq!(changed.map(|(old, _)| old.name.as_str()).collect::<HashSet<_>>(), listed);
}
