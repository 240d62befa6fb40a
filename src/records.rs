//! The JSONL that candidates come in and judgements go out in: the wire format of `proofloop verify`.

use crate::selfplay::isabelle::Context;
use proofloop_datasets::Cause;
use proofloop_datasets::readers::fields::{Fields, wrong_type};
use proofloop_datasets::store::VerdictRecord;
use proofloop_verifiers::candidate::{
    Candidate, IoCase, IsabelleCandidate, IsabelleStatement, Kind, LeanCandidate, PythonCandidate,
};
use proofloop_verifiers::verdict::{
    Assurance, Checker, Judgement, Message, Reason, Severity, Usage, Verdict,
};
use serde::Serialize;

/// A candidate with the name under which its judgement is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Unique in its input.
    pub id: String,
    /// What is judged.
    pub candidate: Candidate,
}

/// Reads one line. `kind` is used where the record names none.
///
/// # Errors
/// [`Cause`], naming the field.
pub fn parse(line: &str, kind: Option<Kind>) -> Result<Named, Cause> {
    from_fields(&Fields::parse(line)?, kind)
}

/// As [`parse`], from fields that are known.
///
/// # Errors
/// [`Cause`], naming the field.
pub fn from_fields(fields: &Fields, kind: Option<Kind>) -> Result<Named, Cause> {
    let id = id(fields)?;
    let kind = match (fields.optional_text("kind")?, kind) {
        (Some("lean"), _) => Kind::Lean,
        (Some("python"), _) => Kind::Python,
        (Some("isabelle"), _) => Kind::Isabelle,
        (Some(other), _) => {
            let detail = format!("`{other}` is none of `lean`, `python` and `isabelle`");
            return Err(Cause::BadValue { field: "kind", detail });
        }
        (None, Some(kind)) => kind,
        (None, None) => return Err(Cause::MissingField { field: "kind" }),
    };
    let candidate = match kind {
        Kind::Lean => Candidate::Lean(lean(fields)?),
        Kind::Python => Candidate::Python(python(fields)?),
        Kind::Isabelle => Candidate::Isabelle(isabelle(fields)?),
    };
    Ok(Named { id, candidate })
}

/// Text, or a whole number as some data sets have it.
fn id(fields: &Fields) -> Result<String, Cause> {
    match fields.value("id") {
        Some(serde_json::Value::Number(number)) if number.is_u64() => Ok(number.to_string()),
        Some(_) | None => fields.non_empty("id").map(str::to_owned),
    }
}

fn lean(fields: &Fields) -> Result<LeanCandidate, Cause> {
    if fields.value("code").is_some() {
        return Ok(LeanCandidate::File {
            code: fields.non_empty("code")?.to_owned(),
            statement: fields.optional_text("formal_statement")?.map(str::to_owned),
        });
    }
    if fields.value("formal_statement").is_none() && fields.value("completion").is_none() {
        return Err(Cause::MissingField { field: "code" });
    }
    Ok(LeanCandidate::Completion {
        header: fields.optional_text("header")?.unwrap_or_default().to_owned(),
        statement: fields.non_empty("formal_statement")?.to_owned(),
        completion: fields.text("completion")?.to_owned(),
    })
}

/// A proof of a pinned statement, or a whole theory, pinned where it says by what.
fn isabelle(fields: &Fields) -> Result<IsabelleCandidate, Cause> {
    let pinned = |fields: &Fields| {
        let header = fields.optional_text("header")?.unwrap_or_default().to_owned();
        // As runs export it: the imports stand in the header.
        let context = Context::parse(&header).filter(|_| fields.value("imports").is_none());
        let (imports, header) = match context {
            Some(Context { imports, definitions }) => (imports, definitions),
            None => (fields.texts("imports")?, header),
        };
        let statement = fields.non_empty("formal_statement")?.to_owned();
        Ok::<_, Cause>(IsabelleStatement { imports, header, statement })
    };
    if fields.value("code").is_some() {
        let pinned = fields.value("formal_statement").map(|_| pinned(fields)).transpose()?;
        return Ok(IsabelleCandidate::File { code: fields.non_empty("code")?.to_owned(), pinned });
    }
    if fields.value("formal_statement").is_none() && fields.value("completion").is_none() {
        return Err(Cause::MissingField { field: "code" });
    }
    let IsabelleStatement { imports, header, statement } = pinned(fields)?;
    let completion = fields.text("completion")?.to_owned();
    Ok(IsabelleCandidate::Completion { imports, header, statement, completion })
}

fn python(fields: &Fields) -> Result<PythonCandidate, Cause> {
    let Some(tests) = fields.value("tests") else {
        if fields.value("code").is_some() {
            return Err(Cause::MissingField { field: "tests" });
        }
        return Ok(PythonCandidate::HumanEval {
            prompt: fields.text("prompt")?.to_owned(),
            completion: fields.text("completion")?.to_owned(),
            test: fields.non_empty("test")?.to_owned(),
            entry_point: fields.non_empty("entry_point")?.to_owned(),
        });
    };
    let code = fields.text("code")?.to_owned();
    let list = tests.as_array().ok_or_else(|| wrong_type("tests", "a list", tests))?;
    match list.first() {
        None => Err(Cause::BadValue { field: "tests", detail: "it holds no test".to_owned() }),
        Some(first) if first.is_object() => {
            let cases = list.iter().map(io_case).collect::<Result<_, _>>()?;
            Ok(PythonCandidate::StdinStdout { code, cases })
        }
        Some(_) => {
            let setup = fields.optional_text("setup")?.unwrap_or_default().to_owned();
            Ok(PythonCandidate::Asserts { code, setup, tests: fields.texts("tests")? })
        }
    }
}

fn io_case(value: &serde_json::Value) -> Result<IoCase, Cause> {
    serde_json::from_value(value.clone())
        .map_err(|error| Cause::BadValue { field: "tests", detail: error.to_string() })
}

/// One line of output.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    id: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonText<'a>>,
    assurance: Option<Assurance>,
    messages: &'a [Message],
    usage: &'a Usage,
    checker: &'a Checker,
    protection: &'a [String],
    cached: bool,
}

/// The class of a rejection, or the words of a failure.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ReasonText<'a> {
    Class(Reason),
    Words(&'a str),
}

impl<'a> Report<'a> {
    /// The report of one judgement.
    #[must_use]
    pub fn new(id: &'a str, judgement: &'a Judgement) -> Self {
        let (assurance, reason) = match &judgement.verdict {
            Verdict::Accepted { assurance } => (Some(*assurance), None),
            Verdict::Rejected { reason } => (None, Some(ReasonText::Class(*reason))),
            Verdict::Crashed { how } => (None, Some(ReasonText::Words(how))),
            Verdict::Unavailable { cause } => (None, Some(ReasonText::Words(cause))),
            Verdict::Timeout | Verdict::MemoryLimit | Verdict::OutputLimit | Verdict::Cancelled => {
                (None, None)
            }
        };
        Self {
            id,
            verdict: judgement.verdict.name(),
            reason,
            assurance,
            messages: &judgement.messages,
            usage: &judgement.usage,
            checker: &judgement.checker,
            protection: &judgement.protection,
            cached: judgement.cached,
        }
    }
}

/// A judgement as a store keeps it: without times of day, with the first error, cut at 600 characters.
#[must_use]
pub fn verdict_record(judgement: &Judgement) -> VerdictRecord {
    let (reason, assurance) = match &judgement.verdict {
        Verdict::Accepted { assurance } => (None, stable_name(assurance)),
        Verdict::Rejected { reason } => (stable_name(reason), None),
        Verdict::Crashed { how } => (Some(how.clone()), None),
        Verdict::Unavailable { cause } => (Some(cause.clone()), None),
        Verdict::Timeout | Verdict::MemoryLimit | Verdict::OutputLimit | Verdict::Cancelled => (None, None),
    };
    let first = judgement.messages.iter().find(|message| message.severity == Severity::Error);
    VerdictRecord {
        verdict: judgement.verdict.name().to_owned(),
        reason,
        assurance,
        message: first.map(|message| message.text.chars().take(MESSAGE_CHARS).collect()),
        wall_ms: judgement.usage.wall_ms,
        cpu_ms: judgement.usage.cpu_ms,
        peak_memory_bytes: judgement.usage.peak_memory_bytes,
    }
}

/// The stable name of a unit variant, as JSON output has it.
fn stable_name(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned))
}

/// A message is kept up to so many characters.
const MESSAGE_CHARS: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        parse(line, None).expect_err("refused").to_string()
    }

    #[test]
    fn every_form() {
        for (line, form) in [
            (
                r#"{"id":"a","kind":"lean","formal_statement":"theorem t : True := by","completion":"trivial"}"#,
                "Completion",
            ),
            (r#"{"id":"a","kind":"lean","code":"theorem t : True := trivial"}"#, "File"),
            (
                r#"{"id":7,"kind":"python","prompt":"","completion":"","test":"x","entry_point":"f"}"#,
                "HumanEval",
            ),
            (
                r#"{"id":"a","kind":"isabelle","imports":["Main"],"formal_statement":"lemma \"x\"","completion":""}"#,
                "Isabelle(Completion",
            ),
            (
                r#"{"id":"a","kind":"isabelle","header":"imports A \"B-C.D\"\nbegin\n","formal_statement":"lemma \"x\"","completion":""}"#,
                "Isabelle(Completion { imports: [\"A\", \"B-C.D\"], header: \"\", statement",
            ),
            (
                r#"{"id":"a","kind":"isabelle","code":"theory T"}"#,
                "Isabelle(File { code: \"theory T\", pinned: None",
            ),
            (r#"{"id":"a","kind":"python","code":"","tests":["assert 1"]}"#, "Asserts"),
            (r#"{"id":"a","kind":"python","code":"","tests":[{"stdin":"","stdout":"1"}]}"#, "StdinStdout"),
        ] {
            let named = parse(line, None).expect(line);
            assert!(format!("{named:?}").contains(form), "{named:?}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        for (line, expected) in [
            ("{}", "field `id` is missing"),
            (r#"{"id":""}"#, "field `id`: it is empty"),
            (r#"{"id":"a"}"#, "field `kind` is missing"),
            (r#"{"id":"a","kind":"coq"}"#, "field `kind`: `coq` is none of `lean`, `python` and `isabelle`"),
            (r#"{"id":"a","kind":"lean"}"#, "field `code` is missing"),
            (r#"{"id":"a","kind":"lean","completion":"x"}"#, "field `formal_statement` is missing"),
            (r#"{"id":"a","kind":"lean","formal_statement":"x"}"#, "field `completion` is missing"),
            (r#"{"id":"a","kind":"lean","code":3}"#, "field `code` must be text, found a number"),
            (r#"{"id":"a","kind":"isabelle"}"#, "field `code` is missing"),
            (r#"{"id":"a","kind":"isabelle","completion":"x"}"#, "field `imports` is missing"),
            (r#"{"id":"a","kind":"python","code":"x"}"#, "field `tests` is missing"),
            (r#"{"id":"a","kind":"python","code":"x","tests":[]}"#, "field `tests`: it holds no test"),
            (
                r#"{"id":"a","kind":"python","code":"x","tests":"x"}"#,
                "field `tests` must be a list, found text",
            ),
            (r#"{"id":"a","kind":"python","prompt":"x"}"#, "field `completion` is missing"),
        ] {
            assert_eq!(error(line), expected, "{line}");
        }
        assert!(
            error(r#"{"id":"a","kind":"python","code":"x","tests":[{"stdin":""}]}"#)
                .contains("missing field `stdout`")
        );
    }
}
