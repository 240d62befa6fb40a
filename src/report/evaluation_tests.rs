use super::*;
use crate::evaluate::Results;
use proofloop_datasets::store::{EvaluatedProblem, NewSample, VerdictRecord};

fn record(verdict: &str, reason: Option<&str>, message: Option<&str>) -> VerdictRecord {
    VerdictRecord {
        verdict: verdict.to_owned(),
        reason: reason.map(str::to_owned),
        assurance: None,
        message: message.map(str::to_owned),
        wall_ms: 1,
        cpu_ms: 1500,
        peak_memory_bytes: 0,
    }
}

/// Two problems: one solved, one with a sample that has no verdict.
fn store(folder: &std::path::Path) -> EvaluationStore {
    let mut store = EvaluationStore::create(&folder.join("evaluation.sqlite")).expect("a new store");
    let problem = |name: &str, text: &str| EvaluatedProblem {
        name: name.to_owned(),
        split: "test".to_owned(),
        category: Some(format!("of {name}")),
        text: text.to_owned(),
    };
    store
        .add_problems(&[problem("one", "1 < 2"), problem("two", "<script>alert(1)</script>")])
        .expect("writes");
    let sample = |problem, sample, completion| NewSample {
        problem,
        sample,
        form: "completion",
        completion,
        tokens: Some(7),
        finish: None,
    };
    let samples =
        [sample(0, 0, "a long proof"), sample(0, 1, "proof"), sample(1, 0, "x"), sample(1, 1, "</pre>y")];
    store.add_samples(&samples).expect("writes");
    let verdicts = [
        (1, record("accepted", None, None)),
        (2, record("accepted", None, None)),
        (3, record("rejected", Some("error"), Some("unknown identifier `<x>`"))),
    ];
    store.add_verdicts(&verdicts).expect("writes");
    store
}

fn page() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let (results, tallies) = Results::read(&store, &[1, 2], Some(2)).expect("reads");
    let shown = Shown {
        name: "run <1>",
        task: "two problems",
        maker: "nobody",
        settings: "seed = 1",
        results: &results,
        tallies: &tallies,
    };
    html(&shown, &store).expect("a page")
}

#[test]
fn the_page_shows_every_problem_with_its_samples() {
    let page = page();
    assert_eq!(page.matches("class=\"accepted\" title").count(), 2);
    assert_eq!(page.matches("class=\"rejected\" title=\"rejected: error\"").count(), 1);
    assert_eq!(page.matches("class=\"open\" title=\"no verdict yet\"").count(), 1);
    assert!(page.contains("<pre>proof</pre>") && !page.contains("a long proof"), "the shortest answer");
    assert!(page.contains("This evaluation is incomplete") && page.contains("1 samples have no verdict"));
    // 4.5 CPU s of one solved problem; 28 tokens.
    assert!(page.contains("<b>4.50</b>") && page.contains("<b>28</b>"), "{page}");
}

#[test]
fn a_model_s_text_is_text() {
    let page = page();
    assert!(page.contains("unknown identifier `&lt;x&gt;`") && page.contains("run &lt;1&gt;"));
    assert!(!page.contains("alert(1)</script>"), "a statement became markup");
    assert!(!page.contains("http:") && !page.contains("https:"), "the page loads nothing");
}
