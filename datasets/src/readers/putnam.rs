//! PutnamBench: a whole Lean file in each record. Where the question is for an answer, the file defines it
//! (`abbrev putnam_1962_a2_solution : Set (ℝ → ℝ) := sorry`), with the published answer in a comment behind it.

use super::Given;
use super::fields::Fields;
use super::statement::{comment, open_statement, split_comment, with_line_end};
use crate::error::Cause;
use crate::problem::{Kind, LeanGaps, LeanProblem, Metadata, Problem};
use crate::rename;

/// A file taken apart.
struct File<'t> {
    /// Before the answer, or before the theorem and its words where there is no answer.
    header: &'t str,
    answer: Option<Answer<'t>>,
    informal: String,
    theorem: &'t str,
}

/// `abbrev X : T :=`, what was published for it, and what stands between it and the theorem.
struct Answer<'t> {
    definition: &'t str,
    rest: &'t str,
}

/// With the published answer filled in: a theorem to prove.
pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let file = File::of(fields.non_empty("lean4")?)?;
    let header = match &file.answer {
        None => file.header.to_owned(),
        Some(answer) => {
            let published = fields.non_empty("answer")?;
            format!("{}{} {published}\n{}", file.header, answer.definition, answer.rest)
        }
    };
    let statement = open_statement(file.theorem).ok_or_else(no_theorem)?;
    build(fields, given, &file, Kind::Lean(LeanProblem { header: with_line_end(&header), statement }))
}

/// With the answer left open, where there is one.
pub(super) fn open_problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let file = File::of(fields.non_empty("lean4")?)?;
    let Some(answer) = &file.answer else { return problem(fields, given) };
    let statement = open_statement(file.theorem).ok_or_else(no_theorem)?;
    let text = format!("{} sorry\n{}\n{statement}\n  sorry\n", answer.definition, answer.rest.trim_end());
    let kind = Kind::LeanGaps(LeanGaps { header: with_line_end(file.header), text });
    let known = Some(fields.non_empty("answer")?.to_owned());
    Ok(Problem { known, ..build(fields, given, &file, kind)? })
}

/// `informal/putnam.json` asks in words, which no checker reads.
pub(super) fn words(fields: &Fields) -> Result<Problem, Cause> {
    fields.non_empty("problem_name")?;
    fields.non_empty("informal_statement")?;
    Err(Cause::NoProblem { why: "it has words and no formal statement".to_owned() })
}

fn build(fields: &Fields, given: &Given, file: &File<'_>, kind: Kind) -> Result<Problem, Cause> {
    let words = fields.optional_text("informal_statement")?.unwrap_or_default();
    let tags = fields.optional_texts("tags")?;
    Ok(Problem {
        name: fields.non_empty("name")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind,
        known: None,
        informal: if file.informal.is_empty() { comment(words) } else { file.informal.clone() },
        metadata: Metadata { topic: (!tags.is_empty()).then(|| tags.join(" ")), ..Metadata::default() },
    })
}

fn no_theorem() -> Cause {
    Cause::BadValue { field: "lean4", detail: "it does not end in a theorem with `sorry`".to_owned() }
}

impl<'t> File<'t> {
    fn of(text: &'t str) -> Result<Self, Cause> {
        let start = rename::theorem_starts(text).last().copied().ok_or_else(no_theorem)?;
        let (before, informal) = split_comment(&text[..start]);
        let (header, answer) = match Answer::of(before)? {
            Some((header, answer)) => (header, Some(answer)),
            None => (before, None),
        };
        Ok(Self { header, answer, informal, theorem: &text[start..] })
    }
}

impl<'t> Answer<'t> {
    /// The comment with the published answer is in neither part.
    fn of(before: &'t str) -> Result<Option<(&'t str, Self)>, Cause> {
        let is_answer = |line: &str| {
            line.split_whitespace().find(|word| *word != "noncomputable").is_some_and(|word| word == "abbrev")
                && line.contains("_solution")
        };
        let Some(line) = before.lines().find(|line| is_answer(line)) else { return Ok(None) };
        let start = line.as_ptr() as usize - before.as_ptr() as usize;
        let no_gap = || Cause::BadValue { field: "lean4", detail: "its answer is not left open".to_owned() };
        let gap = before[start..].find(":=").map(|at| start + at + 2).ok_or_else(no_gap)?;
        let rest = before[gap..].trim_start().strip_prefix("sorry").ok_or_else(no_gap)?;
        let comments = rest.trim_start().lines().take_while(|line| line.starts_with("--"));
        let length: usize = comments.map(|line| line.len() + 1).sum();
        let rest = rest.trim_start();
        let rest = rest.get(length.min(rest.len())..).unwrap_or_default();
        Ok(Some((&before[..start], Self { definition: &before[start..gap], rest })))
    }
}
