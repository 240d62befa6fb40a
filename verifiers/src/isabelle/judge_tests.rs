//! Results of the server, real and forged, and what they are worth.

use super::super::protocol::{Message as Said, NodeStatus, Position};
use super::super::theory::Pinned;
use super::*;

const FILE: &str = "/work/Pl00.thy";

fn layout(proof: &str) -> Layout {
    let imports = vec!["Main".to_owned()];
    let pinned = Pinned { imports: &imports, header: "", statement: "theorem t: \"x = x\"" };
    Layout::of_proof(pinned, "", proof, "00").expect("a theory")
}

fn at(layout: &Layout, kind: &str, text: &str) -> Said {
    let evidence = &layout.evidence[0];
    let pos = Position {
        line: Some(evidence.line),
        offset: Some(evidence.offset),
        end_offset: Some(evidence.end_offset),
        file: Some(FILE.to_owned()),
    };
    Said { kind: kind.to_owned(), message: text.to_owned(), pos: Some(pos) }
}

fn said_at(word: &str, layout: &Layout, kind: &str, text: &str) -> Said {
    let start = layout.text.find(word).expect("it is there");
    let offset = super::super::symbols::count(&layout.text[..start]) + 1;
    let line = 1 + layout.text[..start].matches('\n').count() as u64;
    let pos = Position {
        line: Some(line),
        offset: Some(offset),
        end_offset: Some(offset + 1),
        file: Some(FILE.to_owned()),
    };
    Said { kind: kind.to_owned(), message: text.to_owned(), pos: Some(pos) }
}

fn node(messages: Vec<Said>) -> Node {
    let status = NodeStatus {
        ok: true,
        total: 8,
        unprocessed: 0,
        running: 0,
        warned: 0,
        failed: 0,
        finished: 8,
        canceled: false,
        consolidated: true,
        percentage: 100,
    };
    Node { node_name: FILE.to_owned(), theory_name: "Draft.Pl00".to_owned(), status, messages }
}

fn of(layout: &Layout, nodes: Vec<Node>) -> Option<Verdict> {
    match judge(layout, FILE, &Theories { ok: true, nodes }, Rules::Strict) {
        Outcome::Judged { verdict, .. } => Some(verdict),
        Outcome::Unfinished { .. } => None,
    }
}

fn rejected(reason: Reason) -> Option<Verdict> {
    Some(Verdict::Rejected { reason })
}

#[test]
fn only_the_answer_at_our_place_accepts() {
    let layout = layout("by simp");
    let good = at(&layout, "writeln", "oracles:");
    assert_eq!(
        of(&layout, vec![node(vec![good.clone()])]),
        Some(Verdict::Accepted { assurance: Assurance::Elaborated })
    );
    for (text, reason) in [
        ("oracles:\n    skip_proof", Reason::Sorry),
        ("oracles:\n    Pure.skip_proof: False", Reason::Sorry),
        ("oracles:\n    Code_Generator.holds_by_evaluation", Reason::NativeEvaluation),
        ("oracles:\n    Draft.foo", Reason::Axiom),
    ] {
        assert_eq!(of(&layout, vec![node(vec![at(&layout, "writeln", text)])]), rejected(reason), "{text}");
    }
    let evaluated = Theories {
        ok: true,
        nodes: vec![node(vec![at(&layout, "writeln", "oracles:\n  Code_Generator.holds_by_evaluation")])],
    };
    let outcome = judge(&layout, FILE, &evaluated, Rules::Evaluation);
    assert!(matches!(outcome, Outcome::Judged { verdict: Verdict::Accepted { .. }, .. }));
    // An answer that is missing, doubled, of another kind, or not quite at our place.
    let mut elsewhere = good.clone();
    elsewhere.pos.as_mut().expect("a place").offset = Some(70);
    let mut other_file = good.clone();
    other_file.pos.as_mut().expect("a place").file = Some("/work/Other.thy".to_owned());
    let mut nowhere = good.clone();
    nowhere.pos = None;
    for messages in [
        vec![],
        vec![good.clone(), good],
        vec![elsewhere],
        vec![other_file],
        vec![nowhere],
        vec![at(&layout, "warning", "oracles:")],
        vec![at(&layout, "writeln", "oracles: none")],
        vec![said_at("simp", &layout, "writeln", "oracles:")],
    ] {
        let verdict = of(&layout, vec![node(messages.clone())]);
        assert!(matches!(verdict, Some(Verdict::Unavailable { .. })), "{messages:?}: {verdict:?}");
    }
}

#[test]
fn the_first_error_says_whose_fault_it_is() {
    let layout = layout("by simp");
    let good = at(&layout, "writeln", "oracles:");
    let failed = |messages: Vec<Said>| {
        let mut node = node(messages);
        (node.status.failed, node.status.ok) = (1, false);
        of(&layout, vec![node])
    };
    let end = said_at("end\n", &layout, "error", "Bad context for command \"end\" -- using reset state");
    let by = said_at("by simp", &layout, "error", "Failed to finish proof");
    assert_eq!(failed(vec![by, end.clone(), good.clone()]), rejected(Reason::ElaborationError));
    assert_eq!(failed(vec![end, good.clone()]), rejected(Reason::ElaborationError));
    let undefined = at(&layout, "error", "Undefined fact: \"pl_00\"");
    assert_eq!(failed(vec![undefined]), rejected(Reason::MissingDeclaration));
    let statement = said_at("\"x = x\"", &layout, "error", "Inner syntax error in pl_00");
    let Some(Verdict::Unavailable { cause }) = failed(vec![statement]) else { panic!("it is pinned") };
    assert!(cause.ends_with("Inner syntax error in t"), "{cause}");
    let header = said_at("theory Pl00", &layout, "error", "Failed to load an import");
    let Some(Verdict::Unavailable { cause }) = failed(vec![header]) else { panic!("it is ours") };
    assert!(cause.contains("header"), "{cause}");
    assert_eq!(failed(vec![good]), rejected(Reason::ElaborationError), "failed without a message");
}

#[test]
fn what_was_not_finished_is_no_verdict() {
    let layout = layout("by simp");
    let good = || vec![at(&layout, "writeln", "oracles:")];
    let changes: [fn(&mut NodeStatus); 5] = [
        |status| status.consolidated = false,
        |status| status.percentage = 99,
        |status| status.running = 1,
        |status| status.unprocessed = 1,
        |status| status.canceled = true,
    ];
    for change in changes {
        let mut cut_short = node(good());
        change(&mut cut_short.status);
        assert_eq!(of(&layout, vec![cut_short]), None);
        let mut import = node(Vec::new());
        (import.node_name, import.theory_name) = ("/isabelle/Import.thy".to_owned(), "HOL.Import".to_owned());
        change(&mut import.status);
        assert_eq!(of(&layout, vec![import, node(good())]), None);
    }
    let mut import = node(Vec::new());
    import.node_name = "/isabelle/Import.thy".to_owned();
    (import.status.failed, import.status.ok) = (1, false);
    assert!(matches!(of(&layout, vec![node(good()), import]), Some(Verdict::Unavailable { .. })));
    assert!(matches!(of(&layout, Vec::new()), Some(Verdict::Unavailable { .. })));
    assert!(matches!(of(&layout, vec![node(good()), node(good())]), Some(Verdict::Unavailable { .. })));
    let mut other = node(good());
    other.theory_name = "Draft.Pl01".to_owned();
    assert!(matches!(of(&layout, vec![other]), Some(Verdict::Unavailable { .. })));
}

#[test]
fn messages_have_the_candidates_lines_and_names() {
    let layout = layout("\n  by simp");
    let error = said_at(
        "by simp",
        &layout,
        "error",
        "Failed\u{5}\u{6}position\u{6}line=4\u{5} here\u{5}\u{6}\u{5}: pl_00",
    );
    let mut node = node(vec![at(&layout, "writeln", "oracles:"), error]);
    (node.status.failed, node.status.ok) = (1, false);
    let Outcome::Judged { messages, .. } =
        judge(&layout, FILE, &Theories { ok: false, nodes: vec![node] }, Rules::Strict)
    else {
        panic!("it is finished")
    };
    let expected =
        Message { severity: Severity::Error, line: Some(2), column: None, text: "Failed here: t".to_owned() };
    assert_eq!(messages, [expected]);
}
