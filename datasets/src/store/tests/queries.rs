//! Every query on a run that is small enough to follow.

use super::*;

fn stage(store: &mut RunStore, iteration: u32, stage: &str, writes: &StageWrites) {
    store.finish_stage(key(iteration, stage), writes).unwrap();
}

/// Two problems and a conjecture, sampled in two iterations and by the evaluation.
///
/// | | before | prove 1 | prove 2 |
/// |---|---|---|---|
/// | 1 | | omega + omega + simp - | rfl + |
/// | 2 | omega + | | exact? - decide timeout |
/// | 3 | | | a + omega + omega + a + |
fn sampled() -> (Place, RunStore) {
    let place = Place::new();
    let mut store = place.create();
    let statements = vec![problem(1), problem(2), conjecture(3, 1, 1)];
    stage(&mut store, 0, "problems", &StageWrites { statements, ..StageWrites::default() });
    let drawn = |store: &mut RunStore, stage: &str, iteration, all: &[(StatementId, &[(&str, &str)])]| {
        let mut samples = Vec::new();
        for (statement, completions) in all {
            for (ordinal, (completion, name)) in (0..).zip(*completions) {
                let candidate = judge(store, *statement, completion, name);
                samples.push(sample(stage, iteration, *statement, ordinal, candidate));
            }
        }
        // In any order.
        samples.reverse();
        StageWrites { samples, ..StageWrites::default() }
    };
    let (yes, no) = ("accepted", "rejected");
    let writes = drawn(&mut store, "before", 0, &[(2, &[("omega", yes)])]);
    stage(&mut store, 0, "before", &writes);
    let writes = drawn(&mut store, "prove", 1, &[(1, &[("omega", yes), ("omega", yes), ("simp", no)])]);
    stage(&mut store, 1, "prove", &writes);
    let all: &[(StatementId, &[(&str, &str)])] = &[
        (3, &[("a", yes), ("omega", yes), ("omega", yes), ("a", yes)]),
        (2, &[("exact?", no), ("decide", "timeout")]),
        (1, &[("rfl", yes)]),
    ];
    let writes = drawn(&mut store, "prove", 2, all);
    stage(&mut store, 2, "prove", &writes);
    (place, store)
}

#[test]
fn statements_are_found_by_number_key_and_origin() {
    let place = Place::new();
    let mut store = place.create();
    assert_eq!(store.next_statement_id().unwrap(), 1);
    assert_eq!(store.statements(None).unwrap(), []);
    let known = Statement {
        known: Some("omega".to_owned()),
        split: Some(Split::Test),
        header: String::new(),
        ..problem(2)
    };
    let twin = Statement { key: [1; 32], ..conjecture(4, 1, 2) };
    // A seed may come later in the same stage: numbers need not be in order.
    let all = vec![problem(1), known, conjecture(3, 1, 1), twin];
    let statements = all.iter().rev().cloned().collect();
    stage(&mut store, 0, "problems", &StageWrites { statements, ..StageWrites::default() });
    assert_eq!(store.statements(None).unwrap(), all);
    assert_eq!(store.statements(Some(Origin::Problem)).unwrap(), all[..2]);
    assert_eq!(store.statements(Some(Origin::Conjecture)).unwrap(), all[2..]);
    assert_eq!(store.statement(2).unwrap().as_ref(), Some(&all[1]));
    assert_eq!(store.statement(5).unwrap(), None);
    assert_eq!(store.find(&[1; 32]).unwrap(), Some(1));
    assert_eq!(store.find(&[3; 32]).unwrap(), Some(3));
    assert_eq!(store.find(&[9; 32]).unwrap(), None);
    assert_eq!(store.next_statement_id().unwrap(), 5);
}

#[test]
fn pass_rates_are_counted_for_each_statement_and_iteration() {
    let (_place, store) = sampled();
    let rates = |stage, iterations| {
        let rates = store.pass_rates(stage, iterations).unwrap();
        let figures = |rate: &PassRate| (rate.statement, rate.iteration, rate.accepted, rate.samples);
        rates.iter().map(figures).collect::<Vec<_>>()
    };
    assert_eq!(rates("prove", 0..=u32::MAX), [(1, 1, 2, 3), (1, 2, 1, 1), (2, 2, 0, 2), (3, 2, 4, 4)]);
    assert_eq!(rates("prove", 2..=2), [(1, 2, 1, 1), (2, 2, 0, 2), (3, 2, 4, 4)]);
    assert_eq!(rates("before", 0..=0), [(2, 0, 1, 1)]);
    assert_eq!(rates("prove", 3..=9), []);
    assert_eq!(rates("none", 0..=9), []);
    let first = store.pass_rates("prove", 1..=1).unwrap()[0];
    assert!((first.rate() - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn proofs_are_distinct_and_know_their_first_iteration() {
    let (_place, store) = sampled();
    let proofs = |iterations| {
        let proofs = store.proofs("prove", iterations).unwrap();
        let short = |proof: Proof| (proof.statement, proof.completion, proof.iteration, proof.multiplicity);
        proofs.into_iter().map(short).collect::<Vec<_>>()
    };
    let proof = |statement, completion: &str, iteration, multiplicity| {
        (statement, completion.to_owned(), iteration, multiplicity)
    };
    let second = [proof(1, "rfl", 2, 1), proof(3, "a", 2, 2), proof(3, "omega", 2, 2)];
    assert_eq!(proofs(2..=2), second);
    assert_eq!(proofs(0..=9), [vec![proof(1, "omega", 1, 2)], second.to_vec()].concat());
    let found = &store.proofs("before", 0..=0).unwrap()[0];
    assert_eq!((found.statement, found.cpu_ms, found.wall_ms), (2, 100, 120));
}

#[test]
fn attempts_are_filtered_by_stage_iteration_and_verdict() {
    let (_place, store) = sampled();
    let attempts = |stages, iterations, accepted_only| {
        let mut all = Vec::new();
        store
            .each_attempt(&AttemptFilter { stages, iterations, accepted_only }, &mut |attempt| {
                let Attempt { statement, completion, verdict, .. } = attempt;
                all.push(format!("{statement} {completion} {verdict}"));
                Ok::<_, StoreError>(())
            })
            .unwrap();
        all
    };
    let prove = ["prove"];
    assert_eq!(
        attempts(StageFilter::Except(&["before", "after"]), 0..=9, false),
        [
            "1 omega accepted",
            "1 rfl accepted",
            "1 simp rejected",
            "2 decide timeout",
            "2 exact? rejected",
            "3 a accepted",
            "3 omega accepted"
        ]
    );
    assert_eq!(attempts(StageFilter::Only(&prove), 1..=1, false), ["1 omega accepted", "1 simp rejected"]);
    assert_eq!(attempts(StageFilter::Only(&["before"]), 0..=9, true), ["2 omega accepted"]);
    assert_eq!(attempts(StageFilter::Only(&[]), 0..=9, true), Vec::<String>::new());
    assert_eq!(attempts(StageFilter::Except(&[]), 0..=1, true), ["1 omega accepted", "2 omega accepted"]);
}

#[test]
fn samples_come_with_completion_and_verdict_in_order() {
    let (_place, store) = sampled();
    let samples = store.samples("prove", 2).unwrap();
    let order: Vec<_> =
        samples.iter().map(|one| (one.statement, one.sample, one.completion.as_str())).collect();
    let expected = [
        (1, 0, "rfl"),
        (2, 0, "exact?"),
        (2, 1, "decide"),
        (3, 0, "a"),
        (3, 1, "omega"),
        (3, 2, "omega"),
        (3, 3, "a"),
    ];
    assert_eq!(order, expected);
    let first = SampledCandidate {
        statement: 1,
        sample: 0,
        completion: "rfl".to_owned(),
        tokens: 7,
        finish: "stop".to_owned(),
        verdict: verdict("accepted"),
    };
    assert_eq!(samples[0], first);
    assert_eq!(samples[1].verdict, verdict("rejected"));
    assert_eq!(store.samples("after", 2).unwrap(), []);
}

#[test]
fn a_sink_ends_a_query_with_its_own_error() {
    let (_place, store) = sampled();
    let mut seen = 0;
    let ended = store.each_sample("prove", 2, &mut |_sample| {
        seen += 1;
        Err(StoreError::Missing { path: PathBuf::from("mine") })
    });
    assert!(matches!(ended, Err(StoreError::Missing { .. })), "{ended:?}");
    assert_eq!(seen, 1);
    // The store is as before.
    assert_eq!(store.samples("prove", 2).unwrap().len(), 7);
}

#[test]
fn conjectures_and_examples_come_by_iteration_and_ordinal() {
    let place = Place::new();
    let mut store = place.create();
    let statements = vec![problem(1), conjecture(2, 1, 1)];
    let first = vec![record(1, 0, "new", Some(2)), record(1, 1, "duplicate", Some(1))];
    let second = vec![record(2, 0, "unparsable", None)];
    let conjectures = [first.clone(), second.clone()].concat();
    let examples = vec![example(1, 1, "simp", 0.25), example(1, 0, "omega", 1.0)];
    let writes =
        StageWrites { statements, conjectures: conjectures.clone(), examples, ..StageWrites::default() };
    stage(&mut store, 1, "all", &writes);
    assert_eq!(store.conjectures(None).unwrap(), conjectures);
    assert_eq!(store.conjectures(Some(1)).unwrap(), first);
    assert_eq!(store.conjectures(Some(2)).unwrap(), second);
    assert_eq!(store.conjectures(Some(3)).unwrap(), []);
    assert_eq!(store.examples(1).unwrap(), [example(1, 0, "omega", 1.0), example(1, 1, "simp", 0.25)]);
    assert_eq!(store.examples(0).unwrap(), []);
}

#[test]
fn of_an_example_that_was_selected_again_the_newest_weight_is_told() {
    let place = Place::new();
    let mut store = place.create();
    let statements = vec![problem(1)];
    stage(&mut store, 0, "problems", &StageWrites { statements, ..StageWrites::default() });
    let all: [&[ExampleRecord]; 3] = [
        &[example(1, 0, "b", 0.1), example(1, 1, "a", 0.2)],
        &[example(2, 0, "c", 0.3), example(2, 1, "b", 0.4), example(2, 2, "c", 0.5)],
        &[ExampleRecord { prompt: "Other.".to_owned(), ..example(3, 0, "a", 0.6) }],
    ];
    for (iteration, examples) in (1..).zip(all) {
        stage(
            &mut store,
            iteration,
            "select",
            &StageWrites { examples: examples.to_vec(), ..StageWrites::default() },
        );
    }
    let latest = |iteration| {
        let mut all = Vec::new();
        store
            .each_latest_example(iteration, &mut |example: LatestExample| {
                all.push(format!("{}|{}|{}", example.prompt.trim(), example.completion, example.weight));
                Ok::<_, StoreError>(())
            })
            .unwrap();
        all
    };
    assert_eq!(latest(None), ["Prove it.|a|0.2", "Prove it.|b|0.4", "Prove it.|c|0.5", "Other.|a|0.6"]);
    assert_eq!(latest(Some(1)), ["Prove it.|b|0.1", "Prove it.|a|0.2"]);
    assert_eq!(latest(Some(4)), Vec::<String>::new());
}

#[test]
fn stages_are_told_as_they_were_finished() {
    let place = Place::new();
    let mut store = place.create();
    let detail = json!({"counts": {"new": 3}, "wall_ms": 4});
    stage(
        &mut store,
        1,
        "prove",
        &StageWrites { wall_ms: 5, detail: detail.clone(), ..StageWrites::default() },
    );
    stage(&mut store, 0, "late", &StageWrites::default());
    let prove = StageRecord { iteration: 1, stage: "prove".to_owned(), wall_ms: 5, detail };
    assert_eq!(store.stage(key(1, "prove")).unwrap().as_ref(), Some(&prove));
    assert_eq!(store.stage(key(2, "prove")).unwrap(), None);
    let late =
        StageRecord { iteration: 0, stage: "late".to_owned(), wall_ms: 0, detail: serde_json::Value::Null };
    assert_eq!(store.stages().unwrap(), [prove, late]);
    assert_eq!(store.meta("a").unwrap(), None);
    store.set_meta("a", "b").unwrap();
    store.set_meta("a", "c").unwrap();
    assert_eq!(store.meta("a").unwrap().as_deref(), Some("c"));
}
