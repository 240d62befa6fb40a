//! The attack suites through the program itself: what `proofloop verify` says about each case of `tests/suites/`.
//!
//! Needs what `proofloop setup` installs, in the default home or in `PROOFLOOP_HOME`; without it the tests fail.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

type Blocks = Vec<(String, String)>;

/// One case of a suite.
struct Case {
    id: String,
    blocks: Blocks,
    /// The lines of its `expect` block, by their key.
    expect: BTreeMap<String, String>,
}

impl Case {
    /// The text of the block with this info string.
    fn text(&self, info: &str) -> Option<&str> {
        self.blocks.iter().find(|(found, _)| found == info).map(|(_, text)| text.as_str())
    }

    fn needed(&self, info: &str) -> Result<&str, Box<dyn Error>> {
        self.text(info).ok_or_else(|| format!("{}: no block `{info}`", self.id).into())
    }

    /// Whether the suite allows this verdict, too: which limit is hit first may depend on the machine.
    fn also_allows(&self, said: &str) -> bool {
        self.expect.get("or").is_some_and(|others| others.split(", ").any(|other| other == said))
    }

    /// Verdict and reason as the suite wants them.
    fn expected(&self) -> String {
        let verdict = self.expect.get("verdict").map_or("(none given)", String::as_str);
        self.expect.get("reason").map_or_else(|| verdict.to_owned(), |reason| format!("{verdict}: {reason}"))
    }
}

/// The fenced blocks of one case. A block's text has no last line break.
fn blocks(section: &str) -> Blocks {
    let mut found = Blocks::new();
    let mut open: Option<(String, Vec<&str>)> = None;
    for line in section.lines() {
        open = match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => Some((info.to_owned(), Vec::new())),
            (Some(_), Some((info, lines))) => {
                found.push((info, lines.join("\n")));
                None
            }
            (None, Some((info, mut lines))) => {
                lines.push(line);
                Some((info, lines))
            }
            (None, None) => None,
        };
    }
    found
}

/// The cases of a suite. Everything before the first `## ` is for people.
fn cases(suite: &str) -> Result<Vec<Case>, Box<dyn Error>> {
    let case = |section: &str| {
        let (id, _) = section.split_once(':').ok_or("a case without `id: title`")?;
        let blocks = blocks(section);
        let expect = blocks.iter().find(|(info, _)| info == "expect");
        let (_, expect) = expect.ok_or_else(|| format!("{id}: no `expect` block"))?;
        let pair = |line: &str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
        let expect = expect.lines().filter_map(pair).collect();
        Ok(Case { id: id.to_owned(), blocks, expect })
    };
    suite.split("\n## ").skip(1).map(case).collect()
}

/// The JSONL record of a Lean case.
fn lean(case: &Case) -> Result<Value, Box<dyn Error>> {
    let text = case.needed("lean")?;
    let mut record = json!({ "id": case.id, "kind": "lean" });
    if let Some(statement) = case.text("lean-statement") {
        record["formal_statement"] = json!(statement);
    }
    if case.expect.get("form").is_some_and(|form| form == "file") {
        record["code"] = json!(format!("{text}\n"));
    } else {
        record["completion"] = json!(format!("\n{text}"));
        record["header"] = json!(case.text("lean-header").unwrap_or_default());
    }
    Ok(record)
}

/// The JSONL record of a Python case.
fn python(case: &Case) -> Result<Value, Box<dyn Error>> {
    if let Some(prompt) = case.text("python prompt") {
        let named = |(info, text): &'_ (String, String)| {
            info.strip_prefix("python test entry=").map(|entry| (entry.to_owned(), text.clone()))
        };
        let (entry_point, test) =
            case.blocks.iter().find_map(named).ok_or_else(|| format!("{}: no `entry=`", case.id))?;
        return Ok(json!({
            "id": case.id,
            "kind": "python",
            "prompt": format!("{prompt}\n"),
            "completion": format!("{}\n", case.needed("python completion")?),
            "test": test,
            "entry_point": entry_point,
        }));
    }
    let (code, tests) = if let Some(cases) = case.text("json cases") {
        (case.needed("python program")?, serde_json::from_str(cases)?)
    } else {
        (case.needed("python candidate")?, json!([case.needed("python test")?]))
    };
    Ok(json!({ "id": case.id, "kind": "python", "code": code, "tests": tests }))
}

/// Judges all records in one run; a report for each id.
fn verify(records: &[Value], options: &[&str]) -> Result<BTreeMap<String, Value>, Box<dyn Error>> {
    let mut input = tempfile::tempfile()?;
    for record in records {
        writeln!(input, "{record}")?;
    }
    input.rewind()?;
    #[expect(clippy::disallowed_methods, reason = "the program under test is started as a user starts it")]
    let output = Command::new(env!("CARGO_BIN_EXE_proofloop"))
        .args(["verify", "--format", "jsonl", "--no-cache", "--jobs", "2"])
        .args(options)
        .arg("-")
        .stdin(Stdio::from(input))
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !matches!(output.status.code(), Some(0 | 1)) && errors.contains("proofloop setup") {
        return Err(format!("nothing to judge with: run `proofloop setup` first\n{errors}").into());
    }
    let report = |line: &str| -> Result<(String, Value), Box<dyn Error>> {
        let report: Value = serde_json::from_str(line)?;
        Ok((report["id"].as_str().unwrap_or_default().to_owned(), report))
    };
    let reports: BTreeMap<_, _> =
        String::from_utf8(output.stdout)?.lines().map(report).collect::<Result<_, _>>()?;
    if reports.len() != records.len() {
        let (got, all, status) = (reports.len(), records.len(), output.status);
        return Err(format!("{got} reports for {all} cases, {status}\n{errors}").into());
    }
    Ok(reports)
}

/// What a report says, in the words of [`Case::expected`]. How something crashed is not part of it.
fn said(report: &Value) -> String {
    match (report["verdict"].as_str().unwrap_or_default(), report["reason"].as_str()) {
        ("rejected", Some(reason)) => format!("rejected: {reason}"),
        (verdict, _) => verdict.to_owned(),
    }
}

/// Runs a suite; the error lists every case that got another verdict than it should.
fn check(
    suite: &str,
    record: impl Fn(&Case) -> Result<Value, Box<dyn Error>>,
    options: &[&str],
) -> Result<(), Box<dyn Error>> {
    let cases = cases(suite)?;
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    let records = cases.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    let reports = verify(&records, options)?;
    let mut wrong = Vec::new();
    for case in &cases {
        let report = reports.get(&case.id).ok_or_else(|| format!("{}: no report", case.id))?;
        let (expected, said) = (case.expected(), said(report));
        if said != expected && !case.also_allows(&said) {
            let (reason, messages) = (&report["reason"], &report["messages"]);
            wrong.push(format!("{}: expected {expected}, got {said} ({reason}) {messages}", case.id));
        }
    }
    let all = cases.len();
    assert!(wrong.is_empty(), "{} of {all} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// A search of the whole library takes 12 CPU seconds, and the machine may be very busy: two minutes.
#[test]
fn real_lean_attack_suite() -> Result<(), Box<dyn Error>> {
    check(include_str!("suites/lean.md"), lean, &["--timeout", "120s"])
}

/// The npm Lean writes into a pipe that takes only a part when it is full, and lost the rest, among it what the verdict is
/// read from.
#[test]
fn real_lean_loses_no_message_however_fast_they_come() -> Result<(), Box<dyn Error>> {
    let proof = format!("\n  iterate 40 trace \"{}\"\n  rfl", "all is well ".repeat(3_000));
    let candidate = |id: &str, statement: &str| json!({ "id": id, "kind": "lean", "formal_statement": statement, "completion": proof });
    let records = [
        candidate("right", "theorem t : (1 : Nat) = 1 := by"),
        candidate("wrong", "theorem t : (1 : Nat) = 2 := by"),
    ];
    let reports = verify(&records, &["--timeout", "120s"])?;
    let all = ["right", "wrong"].map(|id| reports.get(id).map(said).unwrap_or_default());
    assert_eq!(all, ["accepted", "rejected: elaboration-error"], "{reports:?}");
    Ok(())
}

#[test]
fn python_attack_suite() -> Result<(), Box<dyn Error>> {
    check(include_str!("suites/python.md"), python, &["--timeout", "20s", "--memory", "128MiB"])
}
