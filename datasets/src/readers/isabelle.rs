//! miniF2F in Isabelle: the theory's text, and the part of it from the theorem on. Statement and proof are told apart by
//! Isabelle's outer syntax: words outside of quotation marks.

use super::Given;
use super::fields::Fields;
use super::statement::mentions_sorry;
use crate::error::Cause;
use crate::problem::{IsabelleProblem, Kind, Metadata, Problem};

/// Words that a proof can begin with.
const PROOF: [&str; 16] = [
    "proof",
    "by",
    "using",
    "unfolding",
    "apply",
    "sorry",
    "oops",
    "including",
    "supply",
    "subgoal",
    "nitpick",
    "sledgehammer",
    "try",
    "end",
    ".",
    "..",
];

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let theory = fields.non_empty("theory")?;
    let from_theorem = fields.non_empty("formal_statement")?.trim();
    let imports: Vec<String> =
        fields.texts("imports")?.iter().map(|name| name.trim_matches('"').to_owned()).collect();
    if imports.is_empty() {
        return Err(Cause::BadValue { field: "imports", detail: "there is none".to_owned() });
    }
    let bad = |detail: &str| Cause::BadValue { field: "formal_statement", detail: detail.to_owned() };
    let end = statement_end(from_theorem);
    let statement = from_theorem[..end].trim_end();
    if !["theorem", "lemma"].iter().any(|keyword| statement.starts_with(keyword)) {
        return Err(bad("it begins with no theorem"));
    }
    let proof = from_theorem[end..].trim();
    let proof = proof.strip_suffix("end").unwrap_or(proof).trim_end();
    let is_done =
        !proof.is_empty() && !mentions_sorry(proof) && !proof.split_whitespace().any(|word| word == "oops");
    Ok(Problem {
        name: fields.non_empty("name")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Isabelle(IsabelleProblem {
            imports,
            header: definitions(theory, from_theorem).ok_or_else(|| bad("it does not stand in `theory`"))?,
            statement: statement.to_owned(),
        }),
        known: is_done.then(|| proof.to_owned()),
        informal: words(fields)?,
        metadata: Metadata::default(),
    })
}

/// What the theory defines before its theorem.
fn definitions(theory: &str, from_theorem: &str) -> Option<String> {
    let before = &theory[..theory.find(from_theorem)?];
    let begin = word_ends(before, |word| word == "begin")?;
    Some(before[begin..].trim().to_owned())
}

fn words(fields: &Fields) -> Result<String, Cause> {
    let Some(informal) = fields.value("informal") else { return Ok(String::new()) };
    let statement = informal.get("informal_statement");
    let text = statement.and_then(serde_json::Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Cause::BadValue {
        field: "informal",
        detail: "its `informal_statement` is no text".to_owned(),
    })
}

/// Where the proof begins: at the first word that can begin one.
fn statement_end(text: &str) -> usize {
    outer_words(text).find(|(_, word)| PROOF.contains(word)).map_or(text.len(), |(start, _)| start)
}

/// The end of the first word that passes.
fn word_ends(text: &str, passes: impl Fn(&str) -> bool) -> Option<usize> {
    outer_words(text).find(|(_, word)| passes(word)).map(|(start, word)| start + word.len())
}

/// The words of the outer syntax with their offsets: nothing inside of quotation marks, cartouches or comments.
fn outer_words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let first = rest.chars().next()?;
            let skipped = quoted_length(rest);
            if skipped > 0 {
                at += skipped;
                continue;
            }
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\'' | '.');
            let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            if length == 0 {
                at += first.len_utf8();
                continue;
            }
            at += length;
            return Some((at - length, &rest[..length]));
        }
    })
}

/// Length of the string, cartouche or comment that the text begins with, or 0. An unclosed one reaches to the end.
fn quoted_length(rest: &str) -> usize {
    let to = |open: &str, close: &str| {
        let inside = rest.strip_prefix(open)?;
        Some(inside.find(close).map_or(rest.len(), |end| open.len() + end + close.len()))
    };
    let length = to("(*", "*)").or_else(|| to("\\<open>", "\\<close>")).or_else(|| to("‹", "›"));
    length.or_else(|| to("\"", "\"")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_ends_where_a_proof_could_begin() {
        for (text, statement) in [
            ("theorem t: \"a by b\" by auto", "theorem t: \"a by b\" "),
            (
                "theorem t:\n  fixes proofs :: nat (* by *)\n  shows \"x\"\nproof -",
                "theorem t:\n  fixes proofs :: nat (* by *)\n  shows \"x\"\n",
            ),
            ("theorem t: \\<open>by\\<close> sorry", "theorem t: \\<open>by\\<close> "),
            ("theorem t: \"x\"", "theorem t: \"x\""),
            ("theorem t: \"x\" .", "theorem t: \"x\" "),
        ] {
            assert_eq!(&text[..statement_end(text)], statement);
        }
    }

    #[test]
    fn definitions_stand_between_begin_and_the_theorem() {
        let theory = "(* begin *) theory t imports A\nbegin\n\ndefinition \"f = 1\"\n\ntheorem t: \"p\"\nend";
        assert_eq!(definitions(theory, "theorem t: \"p\"").as_deref(), Some("definition \"f = 1\""));
        assert_eq!(definitions(theory, "theorem u"), None);
    }
}
