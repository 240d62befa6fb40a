//! Step I and the final set on examples worked out by hand.

use super::*;

const OFF: ProofSettings = ProofSettings {
    rounds: None,
    rate_over: RateOver::Buffer,
    dataset_pass_rate: None,
    conjecture_pass_rate: None,
    texts_once: false,
    max_proofs: None,
    length_rate: 0.0,
    time_rate: 0.0,
    divide_by_proofs: false,
};

fn proof(statement: i64, round: u32, text: &str) -> CorrectProof<'_> {
    CorrectProof { statement, of: ProofOf::Dataset, text, round, verify_seconds: 2.0 }
}

fn rate(statement: i64, round: u32, accepted: u32, samples: u32) -> RoundRate {
    RoundRate { statement, round, samples, accepted }
}

fn places(selected: &[SelectedProof]) -> Vec<usize> {
    selected.iter().map(|one| one.index).collect()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

#[test]
fn the_last_three_rounds_are_the_present_one_and_two_before() {
    let proofs = [4, 5, 6, 7, 8].map(|round| proof(1, round, "p"));
    let settings = ProofSettings { rounds: Some(3), ..OFF };
    let (selected, counts) = select_proofs(&proofs, &[], 7, &settings, 1);
    // Seen from round 8, which is trained on them: 8 - 3 is in, 8 - 4 is not; and 8 itself is not there yet.
    assert_eq!((places(&selected), counts.outside_buffer), (vec![1, 2, 3], 2));
    assert_eq!(places(&select_proofs(&proofs, &[], 8, &OFF, 1).0), [0, 1, 2, 3, 4]);
    assert_eq!((settings.first_round(7), settings.first_round(1), OFF.first_round(9)), (5, 0, 0));
}

#[test]
fn a_statement_that_is_proved_often_falls_at_the_edge_in_the_paper_only() {
    // 15/32, 16/32 and 17/32.
    let proofs = [1, 2, 3].map(|statement| proof(statement, 1, "p"));
    let rates = [rate(1, 1, 15, 32), rate(2, 1, 16, 32), rate(3, 1, 17, 32)];
    let with = |settings: &ProofSettings| {
        let (selected, counts) = select_proofs(&proofs, &rates, 1, settings, 1);
        (places(&selected), counts.dataset_over_pass_rate)
    };
    assert_eq!(with(&ProofSettings::paper()), (vec![0], 2));
    assert_eq!(with(&ProofSettings::code()), (vec![0, 1], 1));
    assert_eq!(with(&OFF), (vec![0, 1, 2], 0));
}

#[test]
fn a_rate_is_over_the_samples_of_the_buffer() {
    // Rounds 1 and 2: 64 of 64 and 0 of 32; together 2/3. Round 2 and 3: 32 of 64.
    let rates = [rate(1, 1, 64, 64), rate(1, 2, 0, 32), rate(1, 3, 32, 32)];
    let proofs = [proof(1, 1, "p"), proof(1, 3, "q")];
    let with = |round, rounds| {
        let settings = ProofSettings { rounds: Some(rounds), ..ProofSettings::code() };
        places(&select_proofs(&proofs, &rates, round, &settings, 1).0)
    };
    assert!(with(2, 2).is_empty());
    assert_eq!(with(3, 2), [1]);
    assert!(with(3, 1).is_empty());
}

#[test]
fn a_rate_of_the_round_is_that_of_the_proof() {
    let rates = [rate(1, 1, 1, 4), rate(1, 2, 4, 4)];
    let proofs = [proof(1, 1, "p"), proof(1, 2, "q"), proof(1, 2, "p")];
    let proofs = proofs.map(|proof| CorrectProof { of: ProofOf::Conjecture, ..proof });
    let (selected, counts) = select_proofs(&proofs, &rates, 2, &ProofSettings::final_code(), 1);
    assert_eq!((places(&selected), counts.conjecture_over_pass_rate), (vec![0], 2));
}

#[test]
fn the_final_set_keeps_dataset_statements_at_any_rate_in_the_code_only() {
    let conjecture = CorrectProof { of: ProofOf::Conjecture, ..proof(2, 1, "p") };
    let proofs = [proof(1, 1, "p"), conjecture, CorrectProof { statement: 3, ..conjecture }];
    let rates = [rate(1, 1, 32, 32), rate(2, 1, 8, 32), rate(3, 1, 9, 32)];
    let with = |settings: &ProofSettings| places(&select_proofs(&proofs, &rates, 9, settings, 1).0);
    assert_eq!(with(&ProofSettings::final_code()), [0, 1]);
    assert_eq!(with(&ProofSettings::final_paper()), [1]);
}

#[test]
fn an_unknown_rate_falls_only_to_a_limit() {
    let proofs = [proof(1, 1, "p"), proof(2, 1, "p")];
    let rates = [rate(2, 1, 0, 0)];
    let (selected, counts) = select_proofs(&proofs, &rates, 1, &ProofSettings::paper(), 1);
    assert_eq!((selected.len(), counts.without_pass_rate), (0, 2));
    assert_eq!(select_proofs(&proofs, &rates, 1, &OFF, 1).0.len(), 2);
}

#[test]
fn a_proof_comes_once_as_it_was_found_first() {
    let proofs = [proof(1, 2, "p"), proof(1, 1, "p"), proof(2, 1, "p"), proof(1, 1, "q")];
    let settings = ProofSettings { texts_once: true, ..OFF };
    let (selected, counts) = select_proofs(&proofs, &[], 2, &settings, 1);
    assert_eq!((places(&selected), counts.repeated, counts.statements), (vec![1, 3, 2], 1, 2));
    assert_eq!(select_proofs(&proofs, &[], 2, &OFF, 1).1.selected, 4);
}

#[test]
fn weights_fall_with_length_time_and_number() {
    let (long, short) = ("α".repeat(1000), "x".repeat(100));
    let proofs = [proof(1, 1, &long), proof(1, 1, &short)];
    let weights = |settings: &ProofSettings| {
        let (selected, _) = select_proofs(&proofs, &[], 1, settings, 1);
        selected.iter().map(|one| one.weight).collect::<Vec<_>>()
    };
    // In the order of the texts: "x…" before "α…". 2 seconds each.
    let both = weights(&ProofSettings { length_rate: 0.001, time_rate: 0.01, divide_by_proofs: true, ..OFF });
    close(both[0], 0.443_460_218_3); // e^-0.12 / 2
    close(both[1], 0.180_297_470_1); // e^-1.02 / 2
    let length = weights(&ProofSettings { length_rate: 0.001, ..OFF });
    close(length[0], 0.904_837_418_0); // e^-0.1
    close(length[1], 0.367_879_441_2); // e^-1
    close(weights(&ProofSettings { time_rate: 0.01, ..OFF })[0], 0.980_198_673_3); // e^-0.02
    close(weights(&ProofSettings { divide_by_proofs: true, ..OFF })[1], 0.5);
    close(weights(&OFF)[1], 1.0);
}

#[test]
fn chance_says_which_proofs_are_beyond_the_greatest_number() {
    let texts: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let mut proofs: Vec<_> = texts.iter().map(|text| proof(1, 1, text)).collect();
    proofs.push(proof(2, 1, "p"));
    let settings = ProofSettings { max_proofs: Some(16), divide_by_proofs: true, ..OFF };
    let choose = |proofs: &[CorrectProof<'_>], seed| select_proofs(proofs, &[], 1, &settings, seed);
    let (selected, counts) = choose(&proofs, 1);
    assert_eq!((counts.selected, counts.over_maximum, counts.statements), (17, 24, 2));
    close(selected[0].weight, 1.0 / 16.0);
    assert_eq!(selected, choose(&proofs, 1).0);
    assert_ne!(places(&selected), places(&choose(&proofs, 2).0));
    // Another statement changes nothing about this one.
    assert_eq!(places(&choose(&proofs[..40], 1).0), places(&selected)[..16]);
}

#[test]
fn every_proof_is_counted_once() {
    let texts: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
    let of = |n: usize| if n.is_multiple_of(3) { ProofOf::Dataset } else { ProofOf::Conjecture };
    let proofs: Vec<_> = (0..900)
        .map(|n| CorrectProof { of: of(n), ..proof((n % 45) as i64, n as u32 % 6, &texts[n % 30]) })
        .collect();
    let rates: Vec<_> = (0..40)
        .flat_map(|id| (0..6).map(move |round| rate(id, round, (id as u32 * 7 + round) % 32, 32)))
        .collect();
    let few = ProofSettings { max_proofs: Some(2), ..ProofSettings::code() };
    for settings in [
        ProofSettings::paper(),
        ProofSettings::code(),
        ProofSettings::final_paper(),
        ProofSettings::final_code(),
        few,
        OFF,
    ] {
        let (selected, c) = select_proofs(&proofs, &rates, 5, &settings, 1);
        assert_eq!(c.selected, selected.len());
        let fallen =
            c.outside_buffer + c.dataset_over_pass_rate + c.conjecture_over_pass_rate + c.without_pass_rate;
        assert_eq!(c.proofs, fallen + c.repeated + c.over_maximum + c.selected);
        assert!(selected.iter().all(|one| one.weight > 0.0 && one.weight <= 1.0));
    }
}

#[test]
fn settings_out_of_range_are_refused_and_survive_json() {
    for settings in [ProofSettings::paper(), ProofSettings::code(), ProofSettings::final_paper(), OFF] {
        settings.check().expect("in range");
        let text = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(serde_json::from_str::<ProofSettings>(&text).expect("JSON"), settings);
    }
    ProofSettings { length_rate: -1.0, ..OFF }.check().expect_err("negative");
}
