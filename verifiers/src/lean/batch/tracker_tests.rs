//! What a batch of messages means.

use super::super::layout::Item;
use super::super::messages::Position;
use super::*;
use crate::lean::statement::Statement;

const FILE: &str = "f.lean";

fn layout(texts: &[&str]) -> Layout {
    layout_with(&[], texts)
}

fn layout_with(imports: &[&str], texts: &[&str]) -> Layout {
    let imports: Vec<String> = imports.iter().map(|&import| import.to_owned()).collect();
    let statement = Statement::parse("theorem t : True := by").expect("parses");
    let items: Vec<Item<'_>> = texts
        .iter()
        .map(|text| Item {
            context: "",
            statement: Some(&statement),
            text,
            first_own_line: 1,
            whole_file: false,
        })
        .collect();
    Layout::new(&imports, &items, "nonce", true)
}

fn say(layout: &Layout, owner: Owner, severity: LeanSeverity, data: &str) -> LeanMessage {
    let line = layout.segments.iter().find(|segment| segment.owner == owner).expect("owner").lines.clone();
    LeanMessage {
        severity,
        pos: Position { line: *line.start(), column: 0 },
        end_pos: None,
        data: data.to_owned(),
        kind: String::new(),
        file_name: FILE.to_owned(),
    }
}

fn good(layout: &Layout, index: usize) -> Vec<LeanMessage> {
    vec![
        say(layout, Owner::Check(index), LeanSeverity::Information, "t : True"),
        say(
            layout,
            Owner::Axioms(index),
            LeanSeverity::Information,
            "'t' depends on axioms: [propext,\n Quot.sound]",
        ),
    ]
}

fn group_end(layout: &Layout, group: usize) -> LeanMessage {
    say(layout, Owner::GroupSentinel(group), LeanSeverity::Information, &format!("nonce group {group}"))
}

fn verdicts(outcomes: Vec<(usize, Outcome)>) -> Vec<String> {
    let name = |outcome| match outcome {
        Outcome::Judged(Verdict::Rejected { reason }, _) => format!("{reason:?}"),
        Outcome::Judged(verdict, _) => verdict.name().to_owned(),
        Outcome::Again { at_most } => format!("again {at_most}"),
    };
    outcomes.into_iter().map(|(index, outcome)| format!("{index} {}", name(outcome))).collect()
}

fn run(layout: &Layout, messages: &[LeanMessage], end: &End) -> Vec<String> {
    let mut tracker = Tracker::new(layout, FILE);
    let mut all: Vec<_> = messages.iter().flat_map(|message| tracker.message(message)).collect();
    all.extend(tracker.finish(end));
    verdicts(all)
}

#[test]
fn silence_is_not_acceptance() {
    let layout = layout(&["a"]);
    assert_eq!(run(&layout, &[group_end(&layout, 0)], &End::Exited), ["0 Malformed"]);
    let end = say(&layout, Owner::End, LeanSeverity::Information, "nonce end");
    assert_eq!(run(&layout, &[end], &End::Exited), ["0 Malformed"]);
}

/// Seen in a run of self-play: `unsolved goals` at the file's first line took 414 candidates their verdicts.
#[test]
fn an_error_that_has_lost_its_place_is_the_group_s_and_not_the_imports() {
    let run_with_lost_error = |texts: &[&str]| {
        let layout = layout(texts);
        let lost = say(&layout, Owner::Preamble, LeanSeverity::Error, "unsolved goals");
        let start = say(&layout, Owner::Start, LeanSeverity::Information, "nonce start");
        let mut messages = vec![start];
        messages.extend((0..texts.len() - 1).flat_map(|index| good(&layout, index)));
        messages.push(lost);
        messages.extend(good(&layout, texts.len() - 1));
        messages.push(group_end(&layout, 0));
        run(&layout, &messages, &End::Exited)
    };
    assert_eq!(
        run_with_lost_error(&["a", "b", "c", "d"]),
        ["0 again 2", "1 again 2", "2 again 2", "3 again 1"]
    );
    assert_eq!(run_with_lost_error(&["a"]), ["0 ElaborationError"]);
}

#[test]
fn evidence_is_acceptance_and_any_error_outweighs_it() {
    let layout = layout(&["a", "b", "c"]);
    let mut messages = [good(&layout, 0), good(&layout, 1), good(&layout, 2)].concat();
    messages.push(say(&layout, Owner::Candidate(1), LeanSeverity::Error, "no"));
    messages.insert(0, say(&layout, Owner::Compare(2), LeanSeverity::Error, "Type mismatch"));
    messages.push(group_end(&layout, 0));
    assert_eq!(
        run(&layout, &messages, &End::Exited),
        ["0 accepted", "1 ElaborationError", "2 StatementMismatch"]
    );
}

#[test]
fn axioms_outside_the_three_reject() {
    let layout = layout(&["a"]);
    for (data, verdict) in [
        ("'t' depends on axioms: [propext, sorryAx]", "0 Axiom"),
        ("'t' depends on axioms: [Lean.ofReduceBool]", "0 Axiom"),
        ("gibberish", "0 Axiom"),
        ("'t' does not depend on any axioms", "0 accepted"),
    ] {
        let mut messages = good(&layout, 0);
        messages[1].data = data.to_owned();
        messages.push(group_end(&layout, 0));
        assert_eq!(run(&layout, &messages, &End::Exited), [verdict], "{data}");
    }
}

/// `#print axioms` is an error in every `module`, whatever the proof rests on.
#[test]
fn a_module_whose_axioms_cannot_be_printed_is_neither_accepted_nor_rejected() {
    for (imports, axioms, verdict) in [
        (vec!["module", "import A"], None, "0 unavailable"),
        (vec!["import A"], None, "0 Axiom"),
        (vec!["module"], Some("'t' depends on axioms: [sorryAx]"), "0 Axiom"),
        (vec!["module"], Some("'t' does not depend on any axioms"), "0 accepted"),
    ] {
        let layout = layout_with(&imports, &["a"]);
        let mut messages = good(&layout, 0);
        messages[1].data = axioms.unwrap_or("cannot use `#print axioms` in a module").to_owned();
        if axioms.is_none() {
            messages[1].severity = LeanSeverity::Error;
        }
        messages.push(group_end(&layout, 0));
        assert_eq!(run(&layout, &messages, &End::Exited), [verdict], "{imports:?} {axioms:?}");
    }
}

#[test]
fn a_module_that_fails_is_rejected_for_that() {
    let layout = layout_with(&["module"], &["a"]);
    let mut messages = good(&layout, 0);
    messages[1].severity = LeanSeverity::Error;
    messages.push(say(&layout, Owner::Candidate(0), LeanSeverity::Error, "no"));
    messages.push(group_end(&layout, 0));
    assert_eq!(run(&layout, &messages, &End::Exited), ["0 ElaborationError"]);
}

#[test]
fn a_forged_sentinel_at_another_place_says_nothing() {
    let layout = layout(&["a"]);
    let forged = say(&layout, Owner::Candidate(0), LeanSeverity::Information, "nonce group 0");
    let mut other_file = group_end(&layout, 0);
    other_file.file_name = "g.lean".to_owned();
    assert_eq!(run(&layout, &[forged, other_file], &End::Died("signal 11".to_owned())), ["0 crashed"]);
}

#[test]
fn a_dead_or_stalled_unit_blames_the_first_that_was_not_passed() {
    let layout = layout(&["a", "b", "c"]);
    let all = usize::MAX;
    // A clock that ran out leaves all output behind; a death may take some with it, so the others are halved.
    let ends = [
        (End::Stalled, all),
        (End::Died("signal 11".to_owned()), 1),
        (End::MemoryLimit, 1),
        (End::Exited, 1),
    ];
    for (end, others) in ends {
        assert_eq!(
            run(&layout, &good(&layout, 0), &end),
            [format!("0 again {others}"), "1 again 1".to_owned(), format!("2 again {others}")]
        );
    }
}

#[test]
fn a_death_before_the_first_report_blames_nobody_and_halves_the_unit() {
    let layout = layout(&["a", "b", "c", "d"]);
    let died = End::Died("signal 11".to_owned());
    assert_eq!(run(&layout, &[], &died), ["0 again 2", "1 again 2", "2 again 2", "3 again 2"]);
}

#[test]
fn alone_the_limit_is_the_verdict_once_the_imports_are_through() {
    let layout = layout(&["a"]);
    let start = say(&layout, Owner::Start, LeanSeverity::Information, "nonce start");
    assert_eq!(run(&layout, std::slice::from_ref(&start), &End::Stalled), ["0 timeout"]);
    assert_eq!(run(&layout, &[], &End::Stalled), ["0 unavailable"]);
    assert_eq!(run(&layout, &[start], &End::MemoryLimit), ["0 memory-limit"]);
}

#[test]
fn a_broken_structure_is_split_and_nothing_of_it_is_believed() {
    let layout = layout(&["a", "b", "c", "d"]);
    let mut messages = (0..4).flat_map(|index| good(&layout, index)).collect::<Vec<_>>();
    messages.push(say(&layout, Owner::GroupEnd(0), LeanSeverity::Error, "invalid `end`"));
    messages.push(group_end(&layout, 0));
    messages.push(say(&layout, Owner::End, LeanSeverity::Information, "nonce end"));
    assert_eq!(run(&layout, &messages, &End::Exited), ["0 again 2", "1 again 2", "2 again 2", "3 again 2"]);
}

/// Seen with a weak prover: one unfinished `theorem x` swallowed the `end` behind it, and 17 processes were started to find
/// out which of 384 candidates it was.
#[test]
fn who_was_not_finished_is_judged_apart_from_the_others() {
    let layout = layout(&["a", "b", "c", "d"]);
    let mut messages = (0..4).flat_map(|index| good(&layout, index)).collect::<Vec<_>>();
    messages.push(say(&layout, Owner::CandidateEnd(1), LeanSeverity::Error, "invalid `end`"));
    messages.push(say(
        &layout,
        Owner::Candidate(3),
        LeanSeverity::Error,
        "unexpected token 'end'; expected ':'",
    ));
    messages.push(say(&layout, Owner::GroupEnd(0), LeanSeverity::Error, "invalid `end`"));
    messages.push(group_end(&layout, 0));
    messages.push(say(&layout, Owner::End, LeanSeverity::Information, "nonce end"));
    let all = usize::MAX;
    let together = |index| format!("{index} again {all}");
    let expected = [together(0), "1 again 1".to_owned(), together(2), "3 again 1".to_owned()];
    assert_eq!(run(&layout, &messages, &End::Exited), expected);
}

#[test]
fn what_is_not_the_candidates_fault_is_unavailable() {
    let layout = layout(&["a"]);
    for owner in [Owner::Preamble, Owner::Context(0), Owner::Pin(0)] {
        let mut messages = good(&layout, 0);
        messages.push(say(&layout, owner, LeanSeverity::Error, "unknown"));
        messages.push(group_end(&layout, 0));
        assert_eq!(run(&layout, &messages, &End::Exited), ["0 unavailable"], "{owner:?}");
    }
    assert_eq!(run(&layout, &[], &End::Unavailable("no sandbox".to_owned())), ["0 unavailable"]);
}
