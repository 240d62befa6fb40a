//! From Lean's messages to verdicts: pure decisions, no process in sight.

use super::layout::{Layout, Owner};
use super::messages::{LeanMessage, LeanSeverity};
use crate::verdict::{Assurance, Message, Reason, Verdict};

/// The three axioms that every proof may rest on.
const STANDARD_AXIOMS: &[&str] = &["propext", "Classical.choice", "Quot.sound"];

/// How the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited by itself, whatever its status: only the last sentinel says that it got there.
    Exited,
    /// No candidate was finished within the time limit.
    Stalled,
    /// It ran out of memory.
    MemoryLimit,
    /// It printed too much.
    OutputLimit,
    /// It died, in words.
    Died(String),
    /// The caller gave up.
    Cancelled,
    /// The sandbox or the toolchain failed, in words.
    Unavailable(String),
}

/// What becomes of one candidate after a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A verdict with its messages.
    Judged(Verdict, Vec<Message>),
    /// No verdict: to be judged again in a unit of at most this many candidates.
    Again {
        /// 1 for the one under suspicion.
        at_most: usize,
    },
}

/// Follows one run of a [`Layout`].
#[derive(Debug)]
pub struct Tracker<'a> {
    layout: &'a Layout,
    file_name: &'a str,
    started: bool,
    ended: bool,
    broken: bool,
    import_error: Option<String>,
    context_errors: Vec<Option<String>>,
    pin_errors: Vec<Option<String>>,
    candidates: Vec<Seen>,
    given_out: Vec<bool>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    reached: bool,
    error: bool,
    sorry: bool,
    /// An error without a place was reported while it was read,
    lost_error: bool,
    /// or while somebody of its group was.
    beside_lost_error: bool,
    check: Check,
    axioms: Axioms,
    messages: Vec<Message>,
}

/// What `#print axioms` said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Axioms {
    #[default]
    NotAsked,
    Standard,
    /// Others, or an answer that can't be read.
    Others,
    /// Lean gave an error for an answer.
    Refused,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Check {
    #[default]
    Silent,
    Holds,
    Mismatch,
    Missing,
}

/// Messages that are kept for one candidate.
const MESSAGES_KEPT: usize = 20;

impl<'a> Tracker<'a> {
    /// Begins to follow a run of `layout` in which Lean was given the file as `file_name`.
    #[must_use]
    pub fn new(layout: &'a Layout, file_name: &'a str) -> Self {
        let pins = layout.pins.iter().flatten().max().map_or(0, |last| last + 1);
        Self {
            layout,
            file_name,
            started: false,
            ended: false,
            broken: false,
            import_error: None,
            context_errors: vec![None; layout.groups.len()],
            pin_errors: vec![None; pins],
            candidates: vec![Seen::default(); layout.pins.len()],
            given_out: vec![false; layout.pins.len()],
        }
    }

    /// Whether Lean is past the imports: the clock of the first candidate runs from here.
    #[must_use]
    pub fn started(&self) -> bool {
        self.started
    }

    /// How many candidates Lean has passed: progress, for the stall clock.
    #[must_use]
    pub fn reached(&self) -> usize {
        self.candidates.iter().filter(|seen| seen.reached).count()
    }

    /// Takes one message; returns the verdicts that have become final.
    pub fn message(&mut self, message: &LeanMessage) -> Vec<(usize, Outcome)> {
        if message.file_name != self.file_name {
            return Vec::new();
        }
        let Some(segment) = self.layout.segment_at(message.pos.line) else { return Vec::new() };
        let is_error = message.severity == LeanSeverity::Error;
        match segment.owner {
            Owner::Preamble | Owner::Start if is_error && self.started => self.misplaced(),
            Owner::Preamble | Owner::Start if is_error => {
                self.import_error.get_or_insert_with(|| message.data.clone());
            }
            Owner::Start => self.started |= self.is_sentinel(message, "start"),
            Owner::Context(group) if is_error => {
                self.context_errors[group].get_or_insert_with(|| message.data.clone());
            }
            Owner::Pin(pin) if is_error => {
                self.pin_errors[pin].get_or_insert_with(|| message.data.clone());
            }
            Owner::Candidate(index) => {
                let own_line = i64::from(message.pos.line) + segment.own_line_offset;
                self.of_candidate(index, message, u32::try_from(own_line).ok().filter(|line| *line > 0));
            }
            Owner::Compare(index) => self.of_comparison(index, message),
            Owner::Check(index) => self.of_check(index, message),
            Owner::Axioms(index) => self.candidates[index].axioms = axioms(message),
            Owner::GroupEnd(_) | Owner::RootEnd if is_error => self.broken = true,
            Owner::GroupSentinel(group) if self.is_sentinel(message, &format!("group {group}")) => {
                return self.group_done(group);
            }
            Owner::End => self.ended |= self.is_sentinel(message, "end"),
            Owner::Preamble
            | Owner::Context(_)
            | Owner::Pin(_)
            | Owner::GroupEnd(_)
            | Owner::GroupSentinel(_)
            | Owner::RootEnd => {}
        }
        Vec::new()
    }

    /// An error at a line of ours that Lean was past: it has lost its place (an `unsolved goals` without a position is
    /// reported at the file's first line). Messages come in the order of the file, so it is of the group that is being
    /// read, and most likely of the first candidate there that was not passed.
    fn misplaced(&mut self) {
        let is_open = |group: &&Vec<usize>| group.iter().any(|&index| !self.given_out[index]);
        let Some(group) = self.layout.groups.iter().find(is_open) else { return };
        let suspect = group.iter().copied().find(|&index| !self.candidates[index].reached);
        for &index in group {
            self.candidates[index].beside_lost_error = true;
        }
        if let Some(suspect) = suspect {
            self.candidates[suspect].lost_error = true;
        }
    }

    fn is_sentinel(&self, message: &LeanMessage, what: &str) -> bool {
        message.severity == LeanSeverity::Information
            && message.data == format!("{} {what}", self.layout.nonce)
    }

    fn of_candidate(&mut self, index: usize, message: &LeanMessage, own_line: Option<u32>) {
        let seen = &mut self.candidates[index];
        seen.error |= message.severity == LeanSeverity::Error;
        seen.sorry |= message.has_sorry();
        if seen.messages.len() < MESSAGES_KEPT {
            seen.messages.push(message.for_people(own_line));
        }
    }

    /// The theorem that compares says something only if it fails.
    fn of_comparison(&mut self, index: usize, message: &LeanMessage) {
        let seen = &mut self.candidates[index];
        if message.severity != LeanSeverity::Error && !message.has_sorry() {
            return;
        }
        // Only the wording of the reason hangs on this text, never acceptance.
        let missing = message.data.to_lowercase().contains("unknown");
        seen.check = if missing { Check::Missing } else { Check::Mismatch };
        if !seen.error {
            seen.messages.push(message.for_people(None));
        }
    }

    fn of_check(&mut self, index: usize, message: &LeanMessage) {
        let seen = &mut self.candidates[index];
        seen.reached = true;
        // A comparison that failed stays failed, whatever this line says.
        if seen.check == Check::Silent {
            seen.check =
                if message.severity == LeanSeverity::Information { Check::Holds } else { Check::Missing };
        }
    }

    /// A group's end was reached. Its scopes are only believed in order if its `end` gave no error.
    fn group_done(&mut self, group: usize) -> Vec<(usize, Outcome)> {
        if self.broken {
            return Vec::new();
        }
        let members = self.layout.groups[group].clone();
        for &index in &members {
            self.candidates[index].reached = true;
            self.given_out[index] = true;
        }
        members.into_iter().map(|index| (index, self.judge(index, group))).collect()
    }

    fn judge(&self, index: usize, group: usize) -> Outcome {
        let seen = &self.candidates[index];
        let pin = self.layout.pins[index];
        let judged = |verdict| Outcome::Judged(verdict, seen.messages.clone());
        let unavailable =
            |what: &str, error: &str| judged(Verdict::Unavailable { cause: format!("{what}: {error}") });
        if let Some(error) = &self.import_error {
            return unavailable("the imports fail", error);
        }
        if let Some(error) = &self.context_errors[group] {
            return unavailable("the header does not elaborate", error);
        }
        if let Some(error) = pin.and_then(|pin| self.pin_errors[pin].as_ref()) {
            return unavailable("the pinned statement does not elaborate", error);
        }
        let rejected = |reason| judged(Verdict::Rejected { reason });
        // Alone it is its own; in company anybody's, and nobody is believed.
        if seen.beside_lost_error && self.candidates.len() == 1 {
            return rejected(Reason::ElaborationError);
        }
        if seen.beside_lost_error {
            let half = (self.layout.groups[group].len() / 2).max(1);
            return Outcome::Again { at_most: if seen.lost_error { 1 } else { half } };
        }
        if seen.error {
            return rejected(Reason::ElaborationError);
        }
        if seen.sorry {
            return rejected(Reason::Sorry);
        }
        match (pin, seen.check) {
            (Some(_), Check::Mismatch) => return rejected(Reason::StatementMismatch),
            (Some(_), Check::Missing) => return rejected(Reason::MissingDeclaration),
            (Some(_), Check::Silent) => return rejected(Reason::Malformed),
            (Some(_), Check::Holds) | (None, _) => {}
        }
        match seen.axioms {
            // That is so for every `module`, and says nothing about the proof.
            Axioms::Refused if self.layout.is_module => {
                unavailable("the axioms are not known", "Lean prints none in a `module`; leave that word out")
            }
            Axioms::Others | Axioms::Refused => rejected(Reason::Axiom),
            Axioms::Standard | Axioms::NotAsked => {
                judged(Verdict::Accepted { assurance: Assurance::Elaborated })
            }
        }
    }

    /// What becomes of the candidates without a verdict, now that the process has ended so.
    #[must_use]
    pub fn finish(mut self, end: &End) -> Vec<(usize, Outcome)> {
        if let Some(error) = self.import_error.clone() {
            let cause = format!("the imports fail: {error}");
            return self
                .all_left(|_| Outcome::Judged(Verdict::Unavailable { cause: cause.clone() }, Vec::new()));
        }
        let whole = |verdict: &Verdict| Outcome::Judged(verdict.clone(), Vec::new());
        let limit = match end {
            End::Cancelled => return self.all_left(|_| whole(&Verdict::Cancelled)),
            End::Unavailable(cause) => {
                let verdict = Verdict::Unavailable { cause: cause.clone() };
                return self.all_left(|_| whole(&verdict));
            }
            End::Exited if self.ended => return self.structure_broken(),
            End::Exited => Verdict::Crashed { how: "Lean ended before the end of the file".to_owned() },
            End::Died(how) => Verdict::Crashed { how: how.clone() },
            End::Stalled => Verdict::Timeout,
            End::MemoryLimit => Verdict::MemoryLimit,
            End::OutputLimit => Verdict::OutputLimit,
        };
        self.one_is_to_blame(&limit)
    }

    /// The file was read to its end, but its scopes did not close as they should.
    fn structure_broken(&mut self) -> Vec<(usize, Outcome)> {
        let left = self.given_out.iter().filter(|done| !**done).count();
        if self.candidates.len() > 1 {
            return self.all_left(|_| Outcome::Again { at_most: (left / 2).max(1) });
        }
        let reason = if self.candidates[0].error { Reason::ElaborationError } else { Reason::Malformed };
        let messages = std::mem::take(&mut self.candidates[0].messages);
        self.all_left(|_| Outcome::Judged(Verdict::Rejected { reason }, messages.clone()))
    }

    /// The first candidate that was not passed is under suspicion; the others lose nothing but time.
    fn one_is_to_blame(&mut self, limit: &Verdict) -> Vec<(usize, Outcome)> {
        if let [only] = self.candidates.as_mut_slice() {
            // Before the imports are through, nothing of the candidate was looked at. Only a death may have
            // swallowed the sentinel behind them: the npm build prints from another thread.
            let verdict = if self.started || matches!(limit, Verdict::Crashed { .. }) {
                limit.clone()
            } else {
                Verdict::Unavailable {
                    cause: format!("Lean did not get past the imports ({})", limit.name()),
                }
            };
            let messages = std::mem::take(&mut only.messages);
            return self.all_left(|_| Outcome::Judged(verdict.clone(), messages.clone()));
        }
        let left = self.given_out.iter().filter(|done| !**done).count();
        let half = (left / 2).max(1);
        // A process that dies may take with it what it had not printed yet, so the suspect may be innocent: half
        // the company for the others makes progress certain.
        let others = if *limit == Verdict::Timeout { usize::MAX } else { half };
        let order: Vec<usize> = self.layout.groups.iter().flatten().copied().collect();
        let suspect =
            order.iter().copied().find(|&index| !self.candidates[index].reached && !self.given_out[index]);
        let anything_seen = self.candidates.iter().any(|seen| seen.reached);
        self.all_left(|index| Outcome::Again {
            at_most: match suspect {
                Some(suspect) if suspect == index && (anything_seen || *limit == Verdict::Timeout) => 1,
                Some(_) => others,
                None => half,
            },
        })
    }

    fn all_left(&self, outcome: impl Fn(usize) -> Outcome) -> Vec<(usize, Outcome)> {
        (0..self.candidates.len())
            .filter(|&index| !self.given_out[index])
            .map(|index| (index, outcome(index)))
            .collect()
    }
}

/// Reads `#print axioms`: `'t' depends on axioms: [a, b]` or `'t' does not depend on any axioms`.
fn axioms(message: &LeanMessage) -> Axioms {
    if message.severity == LeanSeverity::Error {
        return Axioms::Refused;
    }
    if message.data.ends_with("does not depend on any axioms") {
        return Axioms::Standard;
    }
    let list = message
        .data
        .rsplit_once("depends on axioms: [")
        .and_then(|(_, rest)| rest.trim_end().strip_suffix(']'));
    let standard = |list: &str| list.split(',').all(|axiom| STANDARD_AXIOMS.contains(&axiom.trim()));
    if list.is_some_and(standard) { Axioms::Standard } else { Axioms::Others }
}

#[cfg(test)]
mod tests {
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
        let line =
            layout.segments.iter().find(|segment| segment.owner == owner).expect("owner").lines.clone();
        LeanMessage {
            severity,
            pos: Position { line: *line.start(), column: 0 },
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
        assert_eq!(
            run(&layout, &messages, &End::Exited),
            ["0 again 2", "1 again 2", "2 again 2", "3 again 2"]
        );
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
}
