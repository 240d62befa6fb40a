//! What holds for any text.

use proptest::prelude::*;

use super::codebleu::{CodeBleu, Matches, Parsed, ZeroDataFlow, codebleu};

/// Pieces that texts are made of: enough to get loops, branches, strings and comments, whole and broken.
const PIECES: [&str; 56] = [
    "\n",
    "\n    ",
    "\n        ",
    "\n\t",
    " ",
    "\\\n",
    "\r\n",
    "#",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "r'",
    "f\"{x}\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    ".",
    "=",
    "+=",
    "==",
    "!",
    "$",
    "->",
    "*",
    "é",
    "\u{1f600}",
    "\0",
    "x",
    "y",
    "xs",
    "1",
    "0.5",
    "def f(x, y=1):",
    "class C:",
    "if x:",
    "elif y:",
    "else:",
    "for x in xs:",
    "while y:",
    "with x as y:",
    "try:",
    "except E:",
    "return ",
    "lambda x: ",
    "[x for x in xs]",
    "x, y = y, x",
    "not in ",
    "@d",
    "yield ",
    "async ",
];

fn text() -> impl Strategy<Value = String> {
    let pieces =
        prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => pieces, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_part_is_a_share(candidate in text(), references in prop::collection::vec(text(), 1..4)) {
        let references: Vec<Parsed> = references.iter().map(|text| Parsed::new(text)).collect();
        let found = Matches::between(&Parsed::new(&candidate), &references).unwrap();
        for part in [found.ngram, found.weighted_ngram, found.syntax, found.data_flow] {
            prop_assert!((0.0..=1.0).contains(&part), "{found:?}");
        }
        let strict = CodeBleu { zero_data_flow: ZeroDataFlow::OneIfNoneExpected, ..CodeBleu::default() };
        let (package, strict) = (CodeBleu::default().score(&found), strict.score(&found));
        prop_assert!(0.0 <= strict && strict <= package && package <= 1.0, "{strict} {package}");
    }

    #[test]
    fn a_text_is_like_itself(text in text()) {
        // Whatever the text: its subtrees are its own, and so is its data flow.
        let found = Matches::between(&Parsed::new(&text), &[Parsed::new(&text)]).unwrap();
        prop_assert!((found.syntax - 1.0).abs() < 1e-12, "{found:?}");
        prop_assert!(found.expected_flows == 0 || (found.data_flow - 1.0).abs() < 1e-12, "{found:?}");
        let function = format!("def f(x):\n    y = x + 1\n    return y\n{text}");
        let parsed = Parsed::new(&function);
        prop_assert!((codebleu(&parsed, &[&parsed]).unwrap() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_function_beside_itself_is_worth_exactly_one() {
    let function =
        Parsed::new("def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total");
    let found = Matches::between(&function, &[&function]).unwrap();
    assert_eq!(
        [found.ngram, found.weighted_ngram, found.syntax, found.data_flow].map(f64::to_bits),
        [1_f64.to_bits(); 4]
    );
    assert!(found.expected_flows > 0);
    assert_eq!(codebleu(&function, &[&function]).map(f64::to_bits), Some(1_f64.to_bits()));
    assert_eq!(codebleu(&function, &[&function, &function]).map(f64::to_bits), Some(1_f64.to_bits()));
}

/// What takes a policy that has lost itself: deep and long texts of one kind. None of them may take long or overflow
/// the stack of a thread.
#[test]
fn degenerate_texts_end() {
    let nested_loops: String = (0..30).map(|depth| format!("{}for x in xs:\n", " ".repeat(depth))).collect();
    let names: Vec<String> = (0..1500).map(|number| format!("x{number}")).collect();
    let names = names.join(", ");
    let texts = [
        "(".repeat(20_000),
        format!("{}{}", "(".repeat(900), ")".repeat(900)),
        format!("x = {}1{}", "[".repeat(5_000), "]".repeat(5_000)),
        format!("x = {}1", "1 + ".repeat(5_000)),
        format!("x = {}1", "-".repeat(20_000)),
        format!("{}{}pass", nested_loops, " ".repeat(30)),
        format!("if a:\n b = 1\n{}", "elif a:\n b = 2\n".repeat(1_500)),
        format!("for x in xs:\n for y in ys:\n  {names} = f({names})"),
        "f'{".repeat(3_000),
        "'".repeat(10_001),
        "def f(:\n".repeat(2_000),
        "\"\"\"".repeat(5_001),
        "x = '\\\n".repeat(3_000),
        "else ".repeat(5_000),
    ];
    let reference = Parsed::new("def f(x):\n    y = x + 1\n    return y");
    for text in texts {
        let parsed = Parsed::new(&text);
        let score = codebleu(&parsed, &[&reference]).unwrap();
        assert!((0.0..=1.0).contains(&score));
    }
}
