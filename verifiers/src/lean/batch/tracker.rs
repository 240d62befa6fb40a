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
    /// Its namespace may not have been closed.
    unfinished: bool,
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
            Owner::CandidateEnd(index) => {
                self.candidates[index].unfinished |= is_error;
                self.of_candidate(index, message, None);
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
        let is_error = message.severity == LeanSeverity::Error;
        seen.error |= is_error;
        // Lean reports it where the text before ends. Only who is judged apart hangs on this text, never a verdict.
        seen.unfinished |= is_error && message.data.contains("unexpected token 'end'");
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

    /// The file was read to its end, but its scopes did not close as they should. Under suspicion are those who were
    /// not finished where their namespace ended, and they are halved; where there are none, the whole company is.
    fn structure_broken(&mut self) -> Vec<(usize, Outcome)> {
        let left = self.given_out.iter().filter(|done| !**done).count();
        if self.candidates.len() > 1 {
            let open = self.candidates.iter().zip(&self.given_out).filter(|(_, given_out)| !**given_out);
            let suspects = open.filter(|(seen, _)| seen.unfinished).count();
            let half = |company: usize| (company / 2).max(1);
            let others = if suspects == 0 { half(left) } else { usize::MAX };
            let at_most =
                |index: usize| if self.candidates[index].unfinished { half(suspects) } else { others };
            return self.all_left(|index| Outcome::Again { at_most: at_most(index) });
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
#[path = "tracker_tests.rs"]
mod tests;
