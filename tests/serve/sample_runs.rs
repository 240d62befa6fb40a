//! Runs that the program could have made, with as little in them as shows something.

use proofloop::selfplay::presets::Preset;
use proofloop::selfplay::{Record, RunFolder};
use proofloop::serve::keys::Keys;
use proofloop_datasets::Split;
use proofloop_datasets::store::{
    CandidateText, EvaluatedProblem, EvaluationStore, NewSample, Origin, RunStore, Sample, StageKey,
    StageWrites, Statement, VerdictRecord,
};
use std::io::Write as _;
use std::path::Path;

/// A page that somebody has written into a run's folder.
pub(crate) const REPORT_MARK: &str = "<p>written before</p>";

fn record(verdict: &str) -> VerdictRecord {
    VerdictRecord {
        verdict: verdict.to_owned(),
        reason: None,
        assurance: None,
        message: None,
        wall_ms: 20,
        cpu_ms: 15,
        peak_memory_bytes: 1 << 20,
    }
}

fn problem(id: i64) -> Statement {
    Statement {
        id,
        key: [u8::try_from(id).expect("few"); 32],
        name: format!("p{id}"),
        header: String::new(),
        text: format!("theorem p{id} : {id} = {id} := by"),
        origin: Origin::Problem,
        split: Some(Split::Train),
        known: None,
        lineage: None,
    }
}

/// Of two rounds the first: of two problems, one is proved. As long as the result lives, a process works on it.
pub(crate) fn self_play(folder: &Path) -> RunFolder {
    let mut settings = Preset::Nano.settings(0);
    settings.iterations = 2;
    let open = RunFolder::open(folder, Record::new(settings, &[], "two problems")).expect("a run's folder");
    let mut store = RunStore::create(&folder.join("store.sqlite")).expect("a new store");
    let statements = StageWrites { statements: vec![problem(1), problem(2)], ..StageWrites::default() };
    store.finish_stage(StageKey { iteration: 0, stage: "problems" }, &statements).expect("written");
    round(&mut store, 1, 1);
    open
}

/// The second round: the other problem is proved, too.
pub(crate) fn second_round(folder: &Path) {
    round(&mut RunStore::open(&folder.join("store.sqlite")).expect("a store"), 2, 2);
}

fn round(store: &mut RunStore, iteration: u32, proved: i64) {
    let samples = [1, 2].map(|statement| {
        let text = problem(statement).text;
        let (completion, verdict) =
            if statement == proved { ("\n  rfl", "accepted") } else { ("\n  simp", "rejected") };
        let candidate = CandidateText { header: "", statement: &text, completion };
        let candidate = store.add_verdict(&candidate, &record(verdict)).expect("a verdict");
        let (stage, finish) = ("prove".to_owned(), "stop".to_owned());
        Sample { stage, iteration, statement, sample: 0, candidate, tokens: 3, finish }
    });
    let writes = StageWrites { samples: samples.to_vec(), wall_ms: 1200, ..StageWrites::default() };
    store.finish_stage(StageKey { iteration, stage: "prove" }, &writes).expect("written");
}

/// One of two problems is solved.
pub(crate) fn evaluation(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut store = EvaluationStore::create(&folder.join("evaluation.sqlite")).expect("a new store");
    let problem = |name: &str| EvaluatedProblem {
        name: name.to_owned(),
        split: "test".to_owned(),
        category: None,
        text: format!("theorem {name} : 1 = 1 := by"),
    };
    store.add_problems(&[problem("one"), problem("two")]).expect("written");
    let sample = |problem| NewSample {
        problem,
        sample: 0,
        form: "completion",
        completion: if problem == 0 { "rfl" } else { "simp" },
        tokens: Some(2),
        finish: None,
    };
    store.add_samples(&[sample(0), sample(1)]).expect("written");
    store.add_verdicts(&[(1, record("accepted")), (2, record("rejected"))]).expect("written");
    for (key, value) in [("ks", "1"), ("wanted", "1"), ("task", "two")] {
        store.set_meta(key, value).expect("written");
    }
}

/// A file of keys, and the key in it.
pub(crate) fn keys() -> (tempfile::NamedTempFile, String) {
    let (key, hash) = Keys::generate().expect("a key");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "somebody {hash}").expect("written");
    (file, key)
}
