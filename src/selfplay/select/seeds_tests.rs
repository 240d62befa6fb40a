//! Step A on examples worked out by hand.

use super::*;

fn proof(statement: i64, best_pass_rate: f64, lemmas: &[&str]) -> SeedProof {
    let lemmas = lemmas.iter().map(|&lemma| lemma.to_owned()).collect();
    SeedProof { statement, proof: statement as usize * 10, best_pass_rate, level: 0, lemmas }
}

/// Every rule off.
fn off() -> SeedSettings {
    SeedSettings {
        pass_rate_above: None,
        max_level: None,
        trivial_lemma_probability: 0.0,
        max_lemma_share: None,
        pairs_once: false,
        max_inputs_per_statement: None,
    }
}

fn pairs_of(inputs: &[ConjectureInput]) -> Vec<(i64, &str)> {
    let mut pairs: Vec<_> = inputs.iter().map(|input| (input.statement, input.lemma.as_str())).collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn without_rules_every_lemma_of_every_proof_is_an_input() {
    let proofs = [proof(1, 0.1, &["a", "b"]), proof(2, 0.9, &["a"]), proof(2, 0.9, &["a"])];
    let (inputs, counts) = conjecture_inputs(&proofs, 10, &off(), 1);
    assert_eq!(pairs_of(&inputs), [(1, "a"), (1, "b"), (2, "a"), (2, "a")]);
    assert_eq!(counts, SeedCounts { proofs: 3, pairs: 4, inputs: 4, ..SeedCounts::default() });
    assert!(inputs.iter().all(|input| input.proof == input.statement as usize * 10));
}

#[test]
fn a_seed_must_pass_more_often_than_the_rate() {
    let proofs = [proof(1, 0.35, &["a"]), proof(2, 0.350_001, &["a"]), proof(3, 0.0, &["a"])];
    let settings = SeedSettings { pass_rate_above: Some(0.35), ..off() };
    let (inputs, counts) = conjecture_inputs(&proofs, 10, &settings, 1);
    assert_eq!(pairs_of(&inputs), [(2, "a")]);
    assert_eq!(counts.under_pass_rate, 2);
}

#[test]
fn levels_end_at_the_greatest() {
    let levels = [0, 1, 2].map(|level| SeedProof { level, ..proof(i64::from(level), 1.0, &["a"]) });
    let (inputs, counts) = conjecture_inputs(&levels, 10, &SeedSettings { max_level: Some(1), ..off() }, 1);
    assert_eq!(pairs_of(&inputs), [(0, "a"), (1, "a")]);
    assert_eq!(counts.over_level, 1);
}

#[test]
fn the_trivial_lemma_comes_with_its_probability() {
    let proofs: Vec<_> = (0..10_000).map(|statement| proof(statement, 1.0, &[])).collect();
    let with = |probability| {
        let settings = SeedSettings { trivial_lemma_probability: probability, ..off() };
        conjecture_inputs(&proofs, 10_000, &settings, 3).1
    };
    assert_eq!(with(0.0).inputs, 0);
    assert_eq!(with(1.0).trivial, 10_000);
    let half = with(0.5);
    assert_eq!(half.trivial, half.inputs);
    // Standard deviation 50.
    assert!((4_800..5_200).contains(&half.trivial), "{half:?}");
}

#[test]
fn a_lemma_has_a_share_of_the_dataset() {
    let proofs: Vec<_> = (0..30).map(|statement| proof(statement, 1.0, &["a"])).collect();
    let inputs = |share, dataset| {
        let settings = SeedSettings { max_lemma_share: Some(share), ..off() };
        conjecture_inputs(&proofs, dataset, &settings, 1).1
    };
    // 10 % of 30 is 3, though 0.1 * 30 is a little more in floating point; 10 % of 25 is rounded up; of none, 0.
    assert_eq!((inputs(0.1, 30).inputs, inputs(0.1, 30).over_lemma_share), (3, 27));
    assert_eq!(inputs(0.1, 25).inputs, 3);
    assert_eq!(inputs(0.1, 4).inputs, 1);
    assert_eq!(inputs(0.1, 0).inputs, 0);
    assert_eq!(inputs(0.0, 30).inputs, 0);
    // The trivial lemma is one like the others.
    let settings = SeedSettings { trivial_lemma_probability: 1.0, max_lemma_share: Some(0.1), ..off() };
    let counts = conjecture_inputs(&proofs, 30, &settings, 1).1;
    assert_eq!((counts.inputs, counts.trivial, counts.over_lemma_share), (6, 3, 54));
}

#[test]
fn a_pair_comes_once_if_it_must() {
    let proofs = [proof(1, 1.0, &["a", "a"]), proof(1, 1.0, &["a"]), proof(2, 1.0, &["a"])];
    let (inputs, counts) = conjecture_inputs(&proofs, 10, &SeedSettings { pairs_once: true, ..off() }, 1);
    assert_eq!(pairs_of(&inputs), [(1, "a"), (2, "a")]);
    assert_eq!((counts.pairs, counts.repeated), (4, 2));
}

#[test]
fn there_is_a_greatest_number_and_chance_says_who_is_in_it() {
    let proofs: Vec<_> = (0..100).map(|statement| proof(statement, 1.0, &["a"])).collect();
    let settings = SeedSettings { max_inputs_per_statement: Some(0.5), ..off() };
    let (some, counts) = conjecture_inputs(&proofs, 20, &settings, 1);
    assert_eq!((counts.inputs, counts.over_maximum), (10, 90));
    assert_eq!(some, conjecture_inputs(&proofs, 20, &settings, 1).0);
    assert_ne!(some, conjecture_inputs(&proofs, 20, &settings, 2).0);
}

#[test]
fn every_pair_is_counted_once() {
    let proofs: Vec<_> = (0..200)
        .map(|n| SeedProof { level: n as u32 % 3, ..proof(n % 40, n as f64 / 200.0, &["a", "b", "c"]) })
        .collect();
    for settings in [SeedSettings::paper(), SeedSettings::code()] {
        let (inputs, c) = conjecture_inputs(&proofs, 40, &settings, 1);
        assert_eq!(c.inputs, inputs.len());
        assert_eq!(c.pairs, c.repeated + c.over_lemma_share + c.over_maximum + c.inputs);
        // 10 % of 40 for each of four lemmas.
        assert!(c.inputs <= 16 && c.over_level > 0 && c.over_lemma_share > 0, "{c:?}");
    }
}

#[test]
fn conjectures_fill_up_to_three_for_each_statement_and_eight_for_each_input() {
    let conjectures = |inputs, dataset| GenerationSettings::code().conjectures(inputs, dataset);
    assert_eq!(conjectures(0, 100), 0);
    // 300 div 10 = 30, at most 8.
    assert_eq!(conjectures(10, 100), 80);
    // 300 div 70 = 4.
    assert_eq!(conjectures(70, 100), 280);
    // 300 div 400 = 0: the multiplier.
    assert_eq!(conjectures(400, 100), 400);
    let twelve = GenerationSettings { multiplier: 12, ..GenerationSettings::code() };
    assert_eq!(twelve.conjectures(10, 100), 120);
}

#[test]
fn settings_out_of_range_are_refused() {
    SeedSettings::paper().check().expect("the paper's");
    SeedSettings::code().check().expect("the code's");
    let error = SeedSettings { max_lemma_share: Some(1.5), ..off() }.check().expect_err("more than all");
    assert!(error.to_string().starts_with("setting `max_lemma_share`"), "{error}");
    SeedSettings { trivial_lemma_probability: f64::NAN, ..off() }.check().expect_err("no number");
}
