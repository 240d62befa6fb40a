//! Step H on examples worked out by hand.

use super::*;

const OFF: ConjectureSettings = ConjectureSettings {
    pass_rate: None,
    lemma_use: LemmaUse::Off,
    texts_once: false,
    elegance: Elegance::Off,
};

/// A conjecture with a proof of so many characters that uses the lemmas `used`.
fn conjecture<'a>(
    text: &'a str,
    lemma: &'a str,
    pass_rate: f64,
    chars: usize,
    used: &'a [String],
) -> Conjecture<'a> {
    let proofs = vec![ConjectureProof { chars, lemmas: used }];
    Conjecture { statement: 7, text, lemma, pass_rate, proofs }
}

fn places(selected: &[SelectedConjecture]) -> Vec<usize> {
    selected.iter().map(|one| one.index).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn the_window_is_open_below_and_closed_above_only_in_the_paper() {
    // 0, 1/32, 8/32, 9/32, 32/32.
    let rates = [0.0, 0.031_25, 0.25, 0.281_25, 1.0];
    let all: Vec<_> = rates.iter().map(|&rate| conjecture("t", "", rate, 4, &[])).collect();
    let with = |window| select_conjectures(&all, &ConjectureSettings { pass_rate: window, ..OFF }, 1);
    let (selected, counts) = with(ConjectureSettings::paper().pass_rate);
    assert_eq!(places(&selected), [1, 2]);
    let expected = ConjectureCounts {
        attempted: 5,
        unproved: 1,
        over_window: 2,
        selected: 2,
        ..ConjectureCounts::default()
    };
    assert_eq!(counts, expected);
    let (selected, counts) = with(ConjectureSettings::code().pass_rate);
    assert_eq!((places(&selected), counts.over_window), (vec![1], 3));
    let window = PassRateWindow { above: 0.031_25, up_to: 1.0, up_to_inclusive: true };
    let (selected, counts) = with(Some(window));
    assert_eq!((places(&selected), counts.under_window), (vec![2, 3, 4], 1));
    assert_eq!(places(&with(None).0), [1, 2, 3, 4]);
}

#[test]
fn a_conjecture_without_a_proof_is_unproved_whatever_its_rate() {
    let all = [Conjecture { proofs: Vec::new(), ..conjecture("t", "", 0.2, 4, &[]) }];
    assert_eq!(select_conjectures(&all, &OFF, 1).1.unproved, 1);
}

#[test]
fn the_lemma_must_be_in_one_of_the_proofs() {
    let (add, both) = (words(&["add"]), words(&["mul", "add"]));
    let two_proofs =
        vec![ConjectureProof { chars: 9, lemmas: &[] }, ConjectureProof { chars: 9, lemmas: &both }];
    let all = [
        conjecture("a", "add", 0.1, 4, &add),
        conjecture("b", "mul", 0.1, 4, &add),
        Conjecture { proofs: two_proofs, ..conjecture("c", "mul", 0.1, 4, &[]) },
        conjecture("d", "", 0.1, 4, &add),
    ];
    let (selected, counts) =
        select_conjectures(&all, &ConjectureSettings { lemma_use: LemmaUse::Required, ..OFF }, 1);
    assert_eq!(places(&selected), [0, 2, 3]);
    assert_eq!((counts.lemma_unused, counts.relabelled), (1, 0));
    assert_eq!(selected.iter().map(|one| one.lemma.as_str()).collect::<Vec<_>>(), ["add", "mul", ""]);
    let (selected, counts) = select_conjectures(&all, &OFF, 1);
    assert_eq!((selected[1].lemma.as_str(), counts.lemma_unused), ("mul", 0));
}

#[test]
fn others_keep_the_trivial_lemma_up_to_a_limit() {
    let add = words(&["add"]);
    let mut all = vec![conjecture("a", "add", 0.1, 4, &add), conjecture("b", "add", 0.1, 4, &add)];
    all.extend(vec![conjecture("c", "mul", 0.1, 4, &add); 10]);
    all.push(conjecture("d", "", 0.1, 4, &add));
    let with = |factor, floor, seed| {
        let lemma_use = LemmaUse::Relabel { factor, floor };
        select_conjectures(&all, &ConjectureSettings { lemma_use, ..OFF }, seed)
    };
    // Two use their lemma: 3 × 2 of the 11 others.
    let (selected, counts) = with(3.0, 0, 1);
    assert_eq!((counts.selected, counts.over_relabel_limit), (8, 5));
    assert_eq!(places(&selected)[..2], [0, 1]);
    assert!(selected[2..].iter().all(|one| one.lemma.is_empty()));
    assert_eq!(selected, with(3.0, 0, 1).0);
    assert!((2..20).any(|seed| places(&with(3.0, 0, seed).0) != places(&selected)), "chance chooses");
    // The floor where it is more; with room for all, the one that was trivial before is not counted as relabelled.
    assert_eq!(with(1.0, 7, 1).1.selected, 9);
    assert_eq!((with(20.0, 4096, 1).1.selected, with(20.0, 4096, 1).1.relabelled), (13, 10));
    assert_eq!(with(0.0, 0, 1).1.selected, 2);
}

#[test]
fn of_equal_texts_one_stays_and_rather_the_one_that_uses_its_lemma() {
    let add = words(&["add"]);
    let all = [
        conjecture("same", "mul", 0.1, 4, &add),
        conjecture("same", "add", 0.1, 4, &add),
        conjecture("same", "add", 0.1, 4, &add),
        conjecture("other", "mul", 0.1, 4, &add),
    ];
    let settings = ConjectureSettings {
        texts_once: true,
        lemma_use: LemmaUse::Relabel { factor: 20.0, floor: 4096 },
        ..OFF
    };
    let (selected, counts) = select_conjectures(&all, &settings, 1);
    assert_eq!((places(&selected), counts.repeated), (vec![1, 3], 2));
    assert_eq!(select_conjectures(&all, &OFF, 1).1.selected, 4);
}

#[test]
fn quantiles_are_numpys() {
    // numpy.quantile(x, q) by hand: h = q (n - 1).
    let of = |numbers: &[f64], q| quantile(&mut numbers.to_vec(), q).expect("numbers");
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    close(of(&[5.0, 1.0, 3.0, 2.0, 4.0, 6.0], 0.2), 2.0);
    close(of(&[1.0, 2.0, 3.0, 4.0], 0.2), 1.6);
    close(of(&[1.0, 2.0], 0.2), 1.2);
    close(of(&[3.0], 0.2), 3.0);
    close(of(&[1.0, 9.0], 1.0), 9.0);
    close(of(&[1.0, 9.0], 0.0), 1.0);
    assert!(quantile(&mut [], 0.2).is_none());
}

/// Six conjectures whose statements have 10 characters, and whose proofs have 10, 20, … 60.
fn six<'a>(lemmas: [&'a str; 6]) -> Vec<Conjecture<'a>> {
    (1..).zip(lemmas).map(|(n, lemma)| conjecture("0123456789", lemma, 0.1, n * 10, &[])).collect()
}

#[test]
fn short_proofs_fall_below_the_quantile_of_all() {
    let all = six(["a", "a", "b", "b", "b", "c"]);
    let elegance = Elegance::Quantile { q: 0.2, scope: EleganceScope::All };
    let (selected, counts) = select_conjectures(&all, &ConjectureSettings { elegance, ..OFF }, 1);
    // Scores 1 … 6, h = 1, the quantile is 2, which stays.
    assert_eq!((places(&selected), counts.inelegant), (vec![1, 2, 3, 4, 5], 1));
    assert!((selected[0].score - 2.0).abs() < 1e-12);
}

#[test]
fn short_proofs_fall_below_the_quantile_of_their_lemma() {
    let all = six(["a", "a", "b", "b", "b", "c"]);
    let elegance = Elegance::Quantile { q: 0.2, scope: EleganceScope::PerLemma };
    let (selected, counts) = select_conjectures(&all, &ConjectureSettings { elegance, ..OFF }, 1);
    // a: 1, 2 with quantile 1.2; b: 3, 4, 5 with 3.4; c alone.
    assert_eq!((places(&selected), counts.inelegant), (vec![1, 3, 4, 5], 2));
}

#[test]
fn a_group_is_that_of_the_new_lemma() {
    let all = six(["a", "b", "c", "d", "e", "f"]);
    let elegance = Elegance::Quantile { q: 0.2, scope: EleganceScope::PerLemma };
    let lemma_use = LemmaUse::Relabel { factor: 0.0, floor: 10 };
    let (selected, _) = select_conjectures(&all, &ConjectureSettings { elegance, lemma_use, ..OFF }, 1);
    // All have the trivial lemma now, and are one group.
    assert_eq!(places(&selected), [1, 2, 3, 4, 5]);
}

#[test]
fn the_shortest_proof_counts_and_characters_are_no_bytes() {
    let proofs = vec![ConjectureProof { chars: 12, lemmas: &[] }, ConjectureProof { chars: 3, lemmas: &[] }];
    let all = [Conjecture { proofs, ..conjecture("∀αβγδε", "", 0.1, 0, &[]) }];
    let (selected, _) = select_conjectures(&all, &OFF, 1);
    assert!((selected[0].score - 0.5).abs() < 1e-12, "{}", selected[0].score);
}

#[test]
fn every_conjecture_is_counted_once() {
    let (add, texts) = (words(&["add"]), words(&["x", "yy", "zzz", "wwww"]));
    let all: Vec<_> = (0..400_usize)
        .map(|n| {
            let lemma = ["add", "mul", ""][n % 3];
            conjecture(&texts[n % 4], lemma, (n % 40) as f64 / 40.0, n % 7 + 1, &add)
        })
        .collect();
    let small = ConjectureSettings {
        lemma_use: LemmaUse::Relabel { factor: 0.5, floor: 3 },
        ..ConjectureSettings::code()
    };
    for settings in [ConjectureSettings::paper(), ConjectureSettings::code(), small, OFF] {
        let (selected, c) = select_conjectures(&all, &settings, 1);
        assert_eq!(c.selected, selected.len());
        let fallen = c.unproved + c.under_window + c.over_window + c.lemma_unused + c.over_relabel_limit;
        assert_eq!(c.attempted, fallen + c.repeated + c.inelegant + c.selected);
        assert!(selected.iter().all(|one| one.statement == 7));
    }
}

#[test]
fn settings_out_of_range_are_refused_and_survive_json() {
    for settings in [ConjectureSettings::paper(), ConjectureSettings::code(), OFF] {
        settings.check().expect("in range");
        let text = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(serde_json::from_str::<ConjectureSettings>(&text).expect("JSON"), settings);
    }
    let elegance = Elegance::Quantile { q: 20.0, scope: EleganceScope::All };
    let error = ConjectureSettings { elegance, ..OFF }.check().expect_err("percent");
    assert_eq!(error.to_string(), "setting `elegance.q`: 20 is not between 0 and 1");
}
