//! The verifier: every row of the table of ways to cheat, audits, and the 488 problems of miniF2F.

#[expect(dead_code, reason = "shared with other tests")]
mod fake_isabelle;

use fake_isabelle::{installation, is_real, launcher, optional, settings};
use proofloop_verifiers::candidate::{Candidate, IsabelleCandidate, IsabelleStatement};
use proofloop_verifiers::isabelle::policy::Rules;
use proofloop_verifiers::isabelle::theory::{Layout, Pieces, Pinned};
use proofloop_verifiers::isabelle::{BatchTool, IsabelleServer};
use proofloop_verifiers::verdict::{Assurance, Judgement, Reason, Verdict};
use proofloop_verifiers::verifier::{Attempt, Verifier as _};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

async fn verifier(faults: &str, rules: Rules, audit: Option<BatchTool>) -> Option<IsabelleServer> {
    let launcher = launcher()?;
    let installation = installation(&launcher, faults).await;
    let optional = optional(&launcher).await;
    let mut settings = settings();
    settings.rules = rules;
    let memory_bytes = if is_real() { 4 << 30 } else { 512 << 20 };
    Some(IsabelleServer::new(launcher, installation, settings, memory_bytes, optional, audit))
}

fn statement(statement: &str) -> IsabelleStatement {
    IsabelleStatement {
        imports: vec!["Main".to_owned()],
        header: String::new(),
        statement: statement.to_owned(),
    }
}

fn completion(of: &str, completion: &str) -> Candidate {
    let IsabelleStatement { imports, header, statement } = statement(of);
    Candidate::Isabelle(IsabelleCandidate::Completion {
        imports,
        header,
        statement,
        completion: completion.to_owned(),
    })
}

fn file(body: &str, pinned: Option<&str>) -> Candidate {
    let code = format!("theory Candidate imports Main begin\n{body}\nend\n");
    Candidate::Isabelle(IsabelleCandidate::File { code, pinned: pinned.map(statement) })
}

/// As the farm does it: refused at once, or judged in a unit with all the others.
async fn judge(verifier: &IsabelleServer, candidates: Vec<Candidate>) -> Vec<Judgement> {
    let mut judged: BTreeMap<usize, Judgement> = BTreeMap::new();
    let mut unit = Vec::new();
    for (index, candidate) in candidates.into_iter().enumerate() {
        match verifier.at_once(&candidate) {
            Some(judgement) => drop(judged.insert(index, judgement)),
            None => unit.push((index, Arc::new(candidate))),
        }
    }
    let candidates: Vec<Arc<Candidate>> = unit.iter().map(|(_, candidate)| Arc::clone(candidate)).collect();
    let cancel = CancellationToken::new();
    let mut sink = |at: usize, attempt: Attempt| match attempt {
        Attempt::Judged(judgement) => drop(judged.insert(unit[at].0, *judgement)),
        Attempt::Again { .. } => panic!("nobody shares a theory"),
    };
    verifier.judge(&candidates, &cancel, &mut sink).await;
    judged.into_values().collect()
}

const TRUE: &str = "theorem t: \"(1::nat) + 1 = 2\"";
const FALSE: &str = "theorem t: \"(1::nat) + 1 = 3\"";

type Row = (&'static str, Candidate, Reason);

/// What is left unproved.
fn unproved() -> Vec<Row> {
    vec![
        ("sorry", completion(FALSE, "sorry"), Reason::Sorry),
        ("sorry in a block", completion(FALSE, "proof -\n  show ?thesis sorry\nqed"), Reason::Sorry),
        ("its symbol", completion(FALSE, "\\<proof>"), Reason::Sorry),
        (
            "sorry in a lemma",
            file("lemma h: \"False\" sorry\ntheorem t: \"(1::nat) + 1 = 3\" using h by simp", Some(FALSE)),
            Reason::Sorry,
        ),
        (
            "quick_and_dirty, declared",
            file("declare [[quick_and_dirty]]\nlemma \"False\" sorry", None),
            Reason::StatementMismatch,
        ),
        (
            "quick_and_dirty, used",
            completion(FALSE, "using [[quick_and_dirty]] by simp"),
            Reason::ForbiddenOption,
        ),
        ("skip_proofs", completion(FALSE, "using [[skip_proofs = true]] by simp"), Reason::ForbiddenOption),
        ("oops", completion(FALSE, "oops"), Reason::MissingDeclaration),
        (
            "oops and another theorem",
            completion(FALSE, "oops\ntheorem t: \"True\" by simp"),
            Reason::MissingDeclaration,
        ),
    ]
}

/// What rests on axioms and oracles.
fn assumed() -> Vec<Row> {
    vec![
        (
            "an axiom",
            file("axiomatization where a: \"False\"\nlemma \"(1::nat) + 1 = 3\" by (rule a)", None),
            Reason::Axiom,
        ),
        (
            "an axiom before the theorem",
            file(
                "axiomatization where a: \"False\"\ntheorem t: \"(1::nat) + 1 = 3\" by (rule a)",
                Some(FALSE),
            ),
            Reason::Axiom,
        ),
        (
            "an axiom behind a proof",
            completion(TRUE, "by simp\naxiomatization where a: \"False\""),
            Reason::Axiom,
        ),
        (
            "an oracle",
            file("oracle cheat = \\<open>I\\<close>\nlemma \"False\" by simp", None),
            Reason::Axiom,
        ),
        ("eval", completion(TRUE, "by eval"), Reason::NativeEvaluation),
        ("normalization", completion(TRUE, "by normalization"), Reason::NativeEvaluation),
    ]
}

/// What runs code, or answers in our place.
fn with_code() -> Vec<Row> {
    let ml = "\\<open>OS.Process.exit OS.Process.success\\<close>";
    vec![
        ("ML", file(&format!("ML {ml}\nlemma \"False\" by simp"), None), Reason::MetaCode),
        ("ML in a proof", completion(FALSE, &format!("ML_prf {ml} by simp")), Reason::MetaCode),
        ("ML behind a proof", completion(TRUE, &format!("by simp\nML_val {ml}")), Reason::MetaCode),
        ("ML as a method", completion(FALSE, "by (tactic \\<open>cheat_tac\\<close>)"), Reason::MetaCode),
        (
            "ML as a method, quoted",
            completion(FALSE, "by (\"raw_tactic\" \\<open>cheat_tac\\<close>)"),
            Reason::MetaCode,
        ),
        ("ML in Unicode's cartouches", completion(FALSE, "ML_prf ‹x› by simp"), Reason::MetaCode),
        ("ML_file", file("ML_file \"a.ML\"\nlemma \"False\" by simp", None), Reason::MetaCode),
        ("SML_file", file("SML_file \"a.ML\"\nlemma \"False\" by simp", None), Reason::MetaCode),
        ("setup", file("setup \\<open>I\\<close>\nlemma \"False\" by simp", None), Reason::MetaCode),
        (
            "method_setup",
            file("method_setup m = \\<open>I\\<close>\nlemma \"False\" by m", None),
            Reason::MetaCode,
        ),
        ("code export", file("export_code f in SML\nlemma \"False\" by simp", None), Reason::MetaCode),
        ("a forged answer", completion(FALSE, "by simp thm_oracles t"), Reason::MetaCode),
    ]
}

/// What proves another theorem, in other words or in the same, or none at all.
fn of_another_theorem() -> Vec<Row> {
    vec![
        (
            "notation",
            file(
                "no_notation plus (infixl \"+\" 65)\nnotation minus (infixl \"+\" 65)\ntheorem t: \"(1::nat) + 1 = 3\" by simp",
                Some(FALSE),
            ),
            Reason::StatementMismatch,
        ),
        (
            "a constant of the same name",
            file("definition \"f = (1::nat)\"\ntheorem t: \"(1::nat) + 1 = 3\" by simp", Some(FALSE)),
            Reason::StatementMismatch,
        ),
        (
            "another statement",
            file("theorem t: \"(1::nat) + 1 = 2\" by simp", Some(FALSE)),
            Reason::StatementMismatch,
        ),
        (
            "no such theorem",
            file("theorem u: \"(1::nat) + 1 = 2\" by simp", Some(FALSE)),
            Reason::MissingDeclaration,
        ),
        ("no end", completion(FALSE, "proof -"), Reason::Malformed),
        ("two ends", completion(TRUE, "by simp\nend\nend"), Reason::Malformed),
        ("an open comment", completion(FALSE, "by simp (* "), Reason::Malformed),
        ("a wrong proof", completion(FALSE, "by simp"), Reason::ElaborationError),
    ]
}

#[tokio::test]
async fn every_row_of_the_table_is_rejected() {
    let Some(verifier) = verifier("", Rules::Strict, None).await else { return };
    let rows = [unproved(), assumed(), with_code(), of_another_theorem()].concat();
    let (names, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|(name, row, reason)| (name, (row, reason))).unzip();
    let (candidates, reasons): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let judgements = judge(&verifier, candidates).await;
    assert_eq!(judgements.len(), names.len());
    for ((name, reason), judgement) in names.iter().zip(reasons).zip(judgements) {
        assert_eq!(judgement.verdict, Verdict::Rejected { reason }, "{name}: {:?}", judgement.messages);
    }
}

#[tokio::test]
async fn honest_candidates_are_accepted_in_every_form() {
    let Some(verifier) = verifier("", Rules::Evaluation, None).await else { return };
    let lemma = "lemma h: \"(2::nat) = 1 + 1\" by simp\ntheorem t: \"(1::nat) + 1 = 2\" using h by simp";
    let candidates = vec![
        completion(TRUE, "by simp"),
        completion(
            TRUE,
            "\nproof -\n  have h: \"(2::nat) = 1 + 1\" by simp\n  show ?thesis by (simp add: h)\nqed\n\nend\n",
        ),
        completion(TRUE, "by eval"),
        completion("theorem \"(1::nat) + 1 = 2\"", "by simp"),
        completion("lemma\n  assumes h0: \"x = (1::nat)\"\n  shows \"x = (1::nat)\"", "using assms by simp"),
        file(lemma, Some(TRUE)),
        file(lemma, None),
        file("lemma \"(1::nat) ≤ 2 ∧ True\" by simp", None),
    ];
    for (index, judgement) in judge(&verifier, candidates).await.into_iter().enumerate() {
        let accepted = Verdict::Accepted { assurance: Assurance::Elaborated };
        assert_eq!(judgement.verdict, accepted, "{index}: {:?}", judgement.messages);
        assert!(
            judgement.protection.contains(&"net-namespace-loopback".to_owned()),
            "{:?}",
            judgement.protection
        );
        assert_eq!(judgement.checker.name, "isabelle-server");
    }
}

#[tokio::test]
async fn an_audit_checks_once_more_in_batch_mode() {
    for tool in [BatchTool::Build, BatchTool::ProcessTheories] {
        let Some(verifier) = verifier("", Rules::Strict, Some(tool)).await else { return };
        let judgements =
            judge(&verifier, vec![completion(TRUE, "by simp"), completion(FALSE, "by simp")]).await;
        assert_eq!(judgements[0].verdict, Verdict::Accepted { assurance: Assurance::Audited }, "{tool:?}");
        assert_eq!(judgements[1].verdict, Verdict::Rejected { reason: Reason::ElaborationError }, "{tool:?}");
    }
    if is_real() {
        return;
    }
    for (fault, expected) in
        [("batch-accepts-sorry", "not to be trusted"), ("batch-hangs", "Timeout instead of Passed")]
    {
        let Some(verifier) = verifier(fault, Rules::Strict, Some(BatchTool::Build)).await else { return };
        let judgements = judge(&verifier, vec![completion(TRUE, "by simp")]).await;
        let Verdict::Unavailable { cause } = &judgements[0].verdict else {
            panic!("{fault}: {:?}", judgements[0])
        };
        assert!(cause.contains(expected), "{fault}: {cause}");
    }
}

/// The problems, as JSON; none where the shared data is absent.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn problems() -> Vec<serde_json::Value> {
    let data = std::env::var_os("PROOFLOOP_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let path = data.join("minif2f-isabelle/minif2f_isabelle.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there (PROOFLOOP_SHARED_DATA)", path.display());
        return Vec::new();
    };
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Text without what may differ: white space and comments.
fn squeezed(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("(*") {
        plain.push_str(&rest[..start]);
        rest = rest[start..].split_once("*)").map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain.split_whitespace().collect()
}

#[test]
fn minif2f_becomes_theories_that_are_the_source_again() {
    let problems = problems();
    assert!(problems.is_empty() || problems.len() == 488);
    let mut proofs = 0;
    for problem in &problems {
        let text = |field: &str| problem[field].as_str().expect("text");
        let (name, source) = (text("name"), text("theory"));
        let pieces = Pieces::of(source).unwrap_or_else(|| panic!("{name} is cut in pieces"));
        let whole = [pieces.frame, pieces.header, pieces.statement, pieces.proof, pieces.rest].concat();
        assert_eq!(whole, source, "{name}");
        let imports: Vec<String> = problem["imports"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|import| import.as_str().expect("text").trim_matches('"').to_owned())
            .collect();
        let (header, statement) = (pieces.header.trim(), pieces.statement.trim_end());
        // What we write around it has the same imports, definitions, statement and proof, and nothing else but our own frame.
        let pinned = Pinned { imports: &imports, header, statement };
        let layout = Layout::of_proof(pinned, "", pieces.proof, "00")
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = layout.text.replace("Pl00", "NAME").replace("thm_oracles pl_00\n", "");
        let ours = ours.replacen("theorem pl_00", &format!("theorem {name}"), 1);
        let frame = pieces.frame.replacen(&format!("theory {name}"), "theory NAME", 1);
        let theirs = [&frame, pieces.header, pieces.statement, pieces.proof, pieces.rest].concat();
        assert_eq!(squeezed(&ours).replace('"', ""), squeezed(&theirs).replace('"', ""), "{name}");
        // The proofs that come with some of them are no cheats.
        if !pieces.proof.contains("sorry") && !pieces.proof.contains("oops") {
            proofs += 1;
            let judged = Layout::of_completion(pinned, pieces.proof, Rules::Strict, "00");
            assert!(judged.is_ok(), "{name}: {judged:?}");
        }
    }
    assert!(problems.is_empty() || proofs > 100, "{proofs} proofs");
}
