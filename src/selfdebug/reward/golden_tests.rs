//! Against the package `codebleu` on PyPI: `tests/selfdebug/codebleu.jsonl`, which `make_codebleu.py` beside it wrote.

use super::codebleu::{CodeBleu, Matches, Parsed};

const GOLDEN: &str = include_str!("../../../tests/selfdebug/codebleu.jsonl");

/// The parts in the order of the file: n-grams, weighted n-grams, syntax, data flow.
const PARTS: [&str; 5] = [
    "codebleu",
    "ngram_match_score",
    "weighted_ngram_match_score",
    "syntax_match_score",
    "dataflow_match_score",
];

/// A candidate with its references and the package's numbers.
pub(super) struct Pair {
    name: String,
    pub(super) candidate: String,
    references: Vec<String>,
    scores: [f64; 5],
    /// The least and the greatest data-flow match in processes with different orders of sets.
    data_flow_range: [f64; 2],
}

pub(super) fn pairs() -> Vec<Pair> {
    let pair = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("the golden file is JSON lines");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        Pair {
            name: text(&line["name"]),
            candidate: text(&line["candidate"]),
            references: line["references"].as_array().expect("a list").iter().map(text).collect(),
            scores: PARTS.map(|part| number(&line["scores"][part])),
            data_flow_range: [0, 1].map(|index| number(&line["dataflow_range"][index])),
        }
    };
    // The first line says what made the others.
    GOLDEN.lines().skip(1).map(pair).collect()
}

fn scores(pair: &Pair) -> [f64; 5] {
    let references: Vec<Parsed> = pair.references.iter().map(|text| Parsed::new(text)).collect();
    let found = Matches::between(&Parsed::new(&pair.candidate), &references).expect("there are references");
    [CodeBleu::default().score(&found), found.ngram, found.weighted_ngram, found.syntax, found.data_flow]
}

#[test]
fn every_part_agrees_with_the_package() {
    let pairs = pairs();
    for pair in &pairs {
        for ((found, expected), part) in scores(pair).iter().zip(pair.scores).zip(PARTS) {
            assert!((found - expected).abs() < 1e-9, "{}, {part}: {found} is not {expected}", pair.name);
        }
    }
    assert!(pairs.len() >= 60, "{} pairs", pairs.len());
    assert!(pairs.iter().filter(|pair| pair.references.len() > 1).count() >= 5);
}

/// Where the package's own number depends on the order of its sets, ours is one of those that it may have; elsewhere it
/// is the package's, with no change to it.
#[test]
fn the_order_of_sets_explains_the_rest() {
    let pairs = pairs();
    for pair in &pairs {
        let [low, high] = pair.data_flow_range;
        let found = scores(pair)[4];
        assert!(
            low - 1e-9 <= found && found <= high + 1e-9,
            "{}: {found} is not in {low}..{high}",
            pair.name
        );
    }
    let certain =
        pairs.iter().filter(|pair| pair.data_flow_range[0].total_cmp(&pair.data_flow_range[1]).is_eq());
    let certain = certain.count();
    assert!(certain >= 50, "{certain} pairs whose number is the same in every process");
}
