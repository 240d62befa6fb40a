//! A Lean file whose theorems end in `sorry`: each becomes a problem, with what stands before it as its header.

use super::Given;
use super::fields::Fields;
use super::statement::{open_statement, split_comment};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};
use crate::rename;
use serde_json::{Map, Value};

/// The open theorems of a file with the lines on which they begin. Theorems that have a proof belong to the header of
/// those behind them; open ones, and the words before them, do not.
pub(super) fn theorems(text: &str) -> Result<Vec<(u64, Fields)>, Cause> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    if is_lean_3(text) {
        return Err(Cause::UnknownFormat { what: "it is Lean 3".to_owned() });
    }
    let starts = rename::theorem_starts(text);
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut header = text[..starts.first().copied().unwrap_or(text.len())].to_owned();
    let mut found = Vec::new();
    for (start, end) in starts.iter().copied().zip(ends) {
        let piece = &text[start..end];
        let Some((open, rest)) = open_part(piece) else {
            header.push_str(piece);
            continue;
        };
        let (before, words) = split_comment(&header);
        let before = before.to_owned();
        let line = text[..start].matches('\n').count() as u64 + 1;
        found.push((line, Fields::from_map(record(&before, &words, open))));
        header = before + rest;
    }
    if found.is_empty() {
        return Err(Cause::UnknownFormat {
            what: "a Lean file without a theorem that ends in `sorry`".to_owned(),
        });
    }
    Ok(found)
}

fn record(header: &str, words: &str, open: &str) -> Map<String, Value> {
    let fields = [("header", header), ("informal", words), ("theorem", open)];
    fields.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect()
}

/// The theorem with its `sorry`, and what follows it.
fn open_part(piece: &str) -> Option<(&str, &str)> {
    let proof = rename::proof_start(piece)?;
    let after = piece[proof..].trim_start();
    let after = after.strip_prefix("by").unwrap_or(after).trim_start().strip_prefix("sorry")?;
    let is_word = after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    (!is_word).then(|| piece.split_at(piece.len() - after.len()))
}

/// Lean 3 has blocks of `begin … end` and lower-case modules.
fn is_lean_3(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "begin" || line.trim_end().ends_with(" begin"))
}

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let text = fields.non_empty("theorem")?;
    let (_, name) = rename::without_name(text);
    let named = name.map(str::to_owned);
    let no_name = || Cause::BadValue { field: "theorem", detail: "it has no name".to_owned() };
    let not_open = || Cause::BadValue { field: "theorem", detail: "it does not end in `sorry`".to_owned() };
    Ok(Problem {
        name: named.ok_or_else(no_name)?,
        split: given.split(),
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem {
            header: fields.text("header")?.to_owned(),
            statement: open_statement(text).ok_or_else(not_open)?,
        }),
        known: None,
        informal: fields.text("informal")?.to_owned(),
        metadata: Metadata::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "import A\n\nopen B\n\n/-- One. -/\ntheorem one : 1 = 1 := by sorry\n\n-- between\ntheorem known : p := by\n  simp\n\n/-- Two. -/\ntheorem two (n : N) :\n  n = n :=\nsorry\nend X\n";

    #[test]
    fn each_open_theorem_has_the_text_before_it_and_no_other_open_theorem() {
        let found = theorems(FILE).expect("Lean 4");
        let text = |index: usize, field| found[index].1.text(field).expect("text").to_owned();
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6, 13]);
        assert_eq!(text(0, "header"), "import A\n\nopen B\n\n");
        assert_eq!(
            (text(0, "informal"), text(1, "informal")),
            ("/-- One. -/\n".to_owned(), "/-- Two. -/\n".to_owned())
        );
        assert_eq!(
            text(1, "header"),
            "import A\n\nopen B\n\n\n\n-- between\ntheorem known : p := by\n  simp\n\n"
        );
        assert_eq!(text(1, "theorem"), "theorem two (n : N) :\n  n = n :=\nsorry");
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        let said = |text: &str| theorems(text).expect_err("none").to_string();
        assert_eq!(said("theorem t : p :=\nbegin\n  sorry\nend\n"), "no reader for it: it is Lean 3");
        assert!(said("def f := 1\n").ends_with("without a theorem that ends in `sorry`"));
        assert!(theorems(" \n").expect("empty").is_empty());
    }
}
