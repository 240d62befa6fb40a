//! Contamination: every planted duplicate is found, and nothing among statements that differ.

use proofloop_datasets::overlap::{How, Settings, find};
use proofloop_datasets::{Kind, LeanProblem, Problem, Split, workbook};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

fn workbook() -> Vec<Problem> {
    [Split::Train, Split::Valid, Split::Test].into_iter().flat_map(workbook::problems).collect()
}

fn lean(problem: &Problem) -> &LeanProblem {
    match &problem.kind {
        Kind::Lean(lean) => lean,
        Kind::LeanGaps(_) | Kind::Isabelle(_) | Kind::Python(_) => panic!("{problem:?}"),
    }
}

fn with(problem: &Problem, name: &str, statement: String) -> Problem {
    let kind = Kind::Lean(LeanProblem { header: "import Mathlib\nopen Nat\n".to_owned(), statement });
    Problem { name: name.to_owned(), source: "planted".to_owned(), kind, ..problem.clone() }
}

/// Pieces of identifiers and of everything else, by a rule of this test's own.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let is_word = c.is_alphanumeric() || matches!(c, '_' | '\'' | '₀'..='₉');
        match pieces.last_mut() {
            Some(last) if is_word && in_word => last.push(c),
            _ => pieces.push(c.to_string()),
        }
        in_word = is_word;
    }
    pieces
}

/// The names bound in brackets and behind quantifiers of a statement, as its text shows them.
fn bound(statement: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut listing = Vec::new();
    let mut open = false;
    for piece in pieces(statement) {
        match piece.as_str() {
            "(" | "{" | "∀" | "∃" | "λ" | "fun" => {
                listing.clear();
                open = true;
            }
            ":" | "," | "=" if open => {
                if piece == ":" || piece == "," {
                    names.extend(listing.drain(..));
                }
                open = false;
            }
            piece if piece.trim().is_empty() => {}
            piece if piece.starts_with(|c: char| c.is_alphabetic()) => listing.push(piece.to_owned()),
            _ => open = false,
        }
    }
    // A capitalised word of several letters is a type; anything else in such a place is a variable.
    names.retain(|name| name.chars().count() <= 3 && !["Nat", "Int"].contains(&name.as_str()));
    names
}

/// The statement with every bound variable under another name.
fn renamed(statement: &str, number: usize) -> String {
    let names: BTreeMap<String, String> = bound(statement)
        .into_iter()
        .enumerate()
        .map(|(at, name)| (name, format!("v{number}_{at}")))
        .collect();
    let mut after_dot = false;
    let texts = pieces(statement).into_iter().map(|piece| {
        let new = if after_dot {
            piece.clone()
        } else {
            names.get(&piece).cloned().unwrap_or_else(|| piece.clone())
        };
        after_dot = piece == ".";
        new
    });
    texts.collect()
}

#[test]
fn every_planted_duplicate_among_200_is_found_and_nothing_else() {
    let all = workbook();
    let test = &all[..200];
    let name_of = |number: usize| format!("planted_{number}");
    let statement =
        |number: usize| lean(&test[number]).statement.replacen(&test[number].name, &name_of(number), 1);
    let spaced = |number: usize| statement(number).replace(' ', "  \n ").replace("  \n :=", " -- so\n :=");
    let text = |number: usize| match number % 3 {
        0 => statement(number),
        1 => spaced(number),
        _ => renamed(&statement(number), number),
    };
    let plant = |(number, problem): (usize, &Problem)| with(problem, &name_of(number), text(number));
    let planted: Vec<Problem> = test.iter().enumerate().map(plant).collect();
    let changed = (0..200).filter(|number| {
        number % 3 == 2
            && planted[*number].content_hash() != with(&test[*number], "x", statement(*number)).content_hash()
    });
    assert!(changed.count() > 60, "almost every statement has a variable to rename");
    // The planted ones lie among others that are of no concern.
    let training: Vec<Problem> = planted.iter().cloned().chain(all[200..].iter().cloned()).collect();
    let found = find(test, &training, Settings::default());
    for number in 0..200 {
        let pairs: Vec<_> = found.pairs.iter().filter(|pair| pair.first == number).collect();
        assert_eq!(pairs.len(), 1, "{}: {pairs:?}", lean(&planted[number]).statement);
        assert_eq!(pairs[0].second, number);
        let exact =
            number % 3 == 0 || planted[number] == with(&test[number], &name_of(number), statement(number));
        assert_eq!(
            pairs[0].how,
            if exact { How::Exact } else { How::Equivalent },
            "{}",
            lean(&planted[number]).statement
        );
    }
    assert_eq!(found.pairs.len(), 200);
}

#[test]
fn nothing_is_found_among_400_statements_that_differ() {
    let all = workbook();
    let (first, second) = all[..400].split_at(200);
    assert_eq!(find(first, second, Settings::default()).pairs, []);
    // Nor at any other cut.
    let (even, odd): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let strip =
        |list: Vec<(usize, Problem)>| list.into_iter().map(|(_, problem)| problem).collect::<Vec<_>>();
    let found = find(&strip(even), &strip(odd), Settings::default());
    assert!(found.pairs.iter().all(|pair| matches!(pair.how, How::Pieces { .. })), "{:?}", found.pairs);
}

#[test]
fn the_order_of_what_is_found_is_that_of_the_sets() {
    let all = workbook();
    let none = Settings { ngram: 0, share: 0 };
    let found = find(&all[..50], &all[..50], none);
    assert_eq!(
        found.pairs.iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>(),
        (0..50).map(|at| (at, at)).collect::<Vec<_>>()
    );
    assert_eq!(found, find(&all[..50], &all[..50], none));
}

proptest! {
    #[test]
    fn a_piece_is_found_wherever_it_stands(at in 0_usize..700, front in 0_usize..4, back in 0_usize..4) {
        let all = workbook();
        let problem = &all[at % all.len()];
        let claim = format!("{}{}{}", "P ∧ ".repeat(front), "x + y * 2 = y * 2 + x ∧ z ^ 3 < x * z", " ∧ Q".repeat(back));
        let one = with(problem, "a", format!("theorem a (x y z : Nat) : {claim} := by"));
        let other = with(problem, "b", "theorem b (u v w : Nat) : R → u + v * 2 = v * 2 + u ∧ w ^ 3 < u * w := by".to_owned());
        let found = find(&[one], &[other], Settings { ngram: 16, share: 0 });
        prop_assert!(matches!(found.pairs[..], [pair] if matches!(pair.how, How::Pieces { .. })), "{:?}", found);
    }
}
