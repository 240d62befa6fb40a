//! Whatever text a model says comes back as it was.

use super::*;
use proptest::prelude::*;

/// Texts with NUL, quotes, line ends, combining marks and characters beyond the basic plane.
fn odd() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "\0",
        "'",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "\u{feff}",
        "𝔸",
        "👩‍🔬",
        "e\u{301}",
        "\u{2028}",
        "%",
        "--",
        ";",
        "a",
        " ",
        "∀",
    ]);
    prop_oneof![prop::collection::vec(parts, 0..6).prop_map(|parts| parts.concat()), any::<String>()]
}

fn verdicts() -> impl Strategy<Value = VerdictRecord> {
    let words = || prop::option::of(odd());
    let text = (prop_oneof![Just("accepted".to_owned()), odd()], words(), words(), words());
    (text, 0..1u64 << 62, 0..1u64 << 62, 0..1u64 << 62).prop_map(
        |(words, wall_ms, cpu_ms, peak_memory_bytes)| {
            let (verdict, reason, assurance, message) = words;
            VerdictRecord { verdict, reason, assurance, message, wall_ms, cpu_ms, peak_memory_bytes }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn odd_texts_come_back(
        texts in prop::collection::vec(odd(), 9),
        known in prop::option::of(odd()),
        record in verdicts(),
        weight in -1e300..1e300,
        numbers in any::<[u32; 3]>(),
    ) {
        let place = Place::new();
        let mut store = place.create();
        let [iteration, ordinal, tokens] = numbers;
        let [name, header, text, lemma, completion, outcome, prompt, finish, stage] = <[String; 9]>::try_from(texts).unwrap();
        let lineage = Some(Lineage { iteration, seed: 1, lemma: lemma.clone(), level: ordinal });
        let statement = Statement { name, header, text, known, lineage, ..problem(1) };
        let candidate = CandidateText { header: &statement.header, statement: &statement.text, completion: &completion };
        let id = store.add_verdict(&candidate, &record).unwrap();
        let outcome_text = outcome.clone();
        let conjecture = ConjectureRecord { iteration, ordinal, seed: 1, lemma, text: prompt.clone(), outcome, statement: None };
        let sample = Sample { stage: stage.clone(), iteration, statement: 1, sample: ordinal, candidate: id, tokens, finish };
        let example = ExampleRecord {
            iteration, ordinal, role: stage.clone(), statement: 1, prompt, completion: completion.clone(), weight,
        };
        let turn = NewTurn {
            stage: stage.clone(), iteration, statement: 1, sample: ordinal, turn: 1, text: outcome_text,
            candidate: Some(id), shown: None, tokens, read_tokens: ordinal, finish: sample.finish.clone(),
        };
        let detail = json!({ stage.as_str(): completion });
        let writes = StageWrites {
            statements: vec![statement.clone()],
            conjectures: vec![conjecture.clone()],
            samples: vec![sample.clone()],
            turns: vec![turn.clone()],
            examples: vec![example.clone()],
            wall_ms: 3,
            detail: detail.clone(),
        };
        store.finish_stage(key(iteration, &stage), &writes).unwrap();
        store.set_meta(&stage, &completion).unwrap();
        drop(store);

        let store = RunStore::open_read_only(&place.path()).unwrap();
        prop_assert_eq!(store.verdict(&candidate).unwrap(), Some((id, record.clone())));
        prop_assert_eq!(store.statements(None).unwrap(), [statement.clone()]);
        prop_assert_eq!(store.conjectures(Some(iteration)).unwrap(), [conjecture]);
        prop_assert_eq!(store.examples(iteration).unwrap(), [example]);
        prop_assert_eq!(store.stage(key(iteration, &stage)).unwrap().unwrap().detail, detail);
        prop_assert_eq!(store.meta(&stage).unwrap(), Some(completion.clone()));
        let turns = store.turns(&stage, iteration).unwrap();
        prop_assert_eq!(turns.len(), 1);
        prop_assert_eq!((&turns[0].text, turns[0].tokens, turns[0].read_tokens), (&turn.text, tokens, ordinal));
        prop_assert_eq!((&turns[0].verdict, &turns[0].shown), (&Some(record.clone()), &None));
        let Sample { sample, finish, .. } = sample;
        let sampled = SampledCandidate { statement: 1, sample, completion, tokens, finish, verdict: record.clone() };
        prop_assert_eq!(store.samples(&stage, iteration).unwrap(), [sampled]);
        prop_assert_eq!(store.proofs(&stage, 0..=u32::MAX).unwrap().len(), usize::from(record.is_accepted()));
        // Every line of a dump is JSON, whatever is in it.
        for line in dump(&store).lines() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{}", line);
        }
    }
}
