//! The text of one batch file, and which of its lines belongs to whom.
//!
//! ```text
//! /- padding: the npm build echoes the first 200 characters of a file -/
//! imports
//! #print "<nonce> start"
//! namespace _pl<nonce>
//!   namespace _g0_<nonce>       one group: one context, at most GROUP_SIZE candidates
//!     context                   trusted: `open`, `variable`, definitions of the problem
//!     namespace _c0_<nonce>     trusted statement, proved by `sorry`
//!     namespace _s0_<nonce>     statement + completion
//!     theorem _k0_<nonce> : type_of% @_c0_<nonce>.t := @_s0_<nonce>.t
//!     #check @_k0_<nonce>
//!   end _g0_<nonce>
//!   #print "<nonce> group 0"
//! end _pl<nonce>
//! #print "<nonce> end"
//! ```
//!
//! The namespaces carry a nonce that no candidate knows, so that none can name the trusted statement or another
//! candidate; they begin with `_`, which hides them from library search. If a candidate manages to unbalance the
//! scopes, the last `end` fails, and the whole structure is not believed.

use super::super::statement::Statement;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Candidates in one group: verdicts are given out when a group's end has been seen.
pub const GROUP_SIZE: usize = 32;

/// Longer than what the npm build of Lean echoes of a file, so that no candidate's text is ever echoed.
pub(in crate::lean) const PADDING: &str = "/- proofloop batch file. The text of this comment fills the first two hundred characters of the file, \
which one build of Lean echoes on standard output, so that nothing that a candidate wrote is ever repeated there. -/\n";

/// Who a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Padding, imports and options.
    Preamble,
    /// The sentinel behind the imports.
    Start,
    /// The trusted context of this group.
    Context(usize),
    /// This trusted statement.
    Pin(usize),
    /// The text of the candidate at this position of the unit.
    Candidate(usize),
    /// The line that ends the namespace of this candidate, on which one that is not finished is found out: an error there
    /// is its own.
    CandidateEnd(usize),
    /// The line that compares this candidate's theorem with its pin, by a theorem of ours.
    Compare(usize),
    /// The line that asks for that theorem: its answer is the positive evidence.
    Check(usize),
    /// The line that asks for the axioms of this candidate's theorem.
    Axioms(usize),
    /// The `end` of this group.
    GroupEnd(usize),
    /// The sentinel behind this group.
    GroupSentinel(usize),
    /// The `end` of the outermost namespace.
    RootEnd,
    /// The last sentinel.
    End,
}

/// Lines of the file with one owner.
#[derive(Debug, Clone)]
pub struct Segment {
    /// 1-based lines.
    pub lines: RangeInclusive<u32>,
    /// Whose they are.
    pub owner: Owner,
    /// What to add to a line to get the line in the candidate's own text.
    pub own_line_offset: i64,
}

/// A candidate as the layout needs it.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// Trusted text between the imports and the statement.
    pub context: &'a str,
    /// The pinned statement; `None` only for a whole file without one.
    pub statement: Option<&'a Statement>,
    /// Statement and completion, or the body of a whole file.
    pub text: &'a str,
    /// Line of the candidate's own text on which `text` begins, 1-based.
    pub first_own_line: u32,
    /// Whether it is a whole file, which stands at the root and is alone in its unit.
    pub whole_file: bool,
}

/// A finished file.
#[derive(Debug)]
pub struct Layout {
    /// The file's text.
    pub text: String,
    /// In order of lines, without gaps.
    pub segments: Vec<Segment>,
    /// For each group, the candidates in it.
    pub groups: Vec<Vec<usize>>,
    /// For each candidate, its pin.
    pub pins: Vec<Option<usize>>,
    /// Known to nobody but us.
    pub nonce: String,
    /// Whether the file is a `module`, in which Lean does not print axioms.
    pub is_module: bool,
}

impl Layout {
    /// Lays out a unit. With `print_axioms`, asks for each theorem's axioms (not possible in a `module`).
    #[must_use]
    pub fn new(imports: &[String], items: &[Item<'_>], nonce: &str, print_axioms: bool) -> Self {
        let mut builder = Builder::new(nonce, print_axioms, items.len());
        builder.layout.is_module = imports.first().is_some_and(|first| first == "module");
        builder.preamble(imports);
        if let [item] = items
            && item.whole_file
        {
            builder.whole_file(item);
        } else {
            builder.shared(items);
        }
        builder.push(Owner::End, &format!("#print \"{nonce} end\""));
        builder.layout
    }

    /// The segment that a 1-based line belongs to.
    #[must_use]
    pub fn segment_at(&self, line: u32) -> Option<&Segment> {
        let index = self.segments.partition_point(|segment| *segment.lines.end() < line);
        self.segments.get(index).filter(|segment| segment.lines.contains(&line))
    }
}

struct Builder {
    layout: Layout,
    next_line: u32,
    names: Names,
    print_axioms: bool,
}

/// The names of the namespaces. Each one carries the nonce: a candidate stands *inside* the outer ones, where their
/// names need not be written out.
#[derive(Debug, Clone)]
struct Names {
    nonce: String,
}

impl Names {
    fn root(&self) -> String {
        format!("_pl{}", self.nonce)
    }

    fn group(&self, group: usize) -> String {
        format!("_g{group}_{}", self.nonce)
    }

    fn pin(&self, pin: usize) -> String {
        format!("_c{pin}_{}", self.nonce)
    }

    fn candidate(&self, index: usize) -> String {
        format!("_s{index}_{}", self.nonce)
    }
}

impl Builder {
    fn new(nonce: &str, print_axioms: bool, items: usize) -> Self {
        let layout = Layout {
            text: String::new(),
            segments: Vec::new(),
            groups: Vec::new(),
            pins: vec![None; items],
            nonce: nonce.to_owned(),
            is_module: false,
        };
        Self { layout, next_line: 1, names: Names { nonce: nonce.to_owned() }, print_axioms }
    }

    fn push(&mut self, owner: Owner, text: &str) {
        self.push_own(owner, text, 0);
    }

    /// Appends whole lines; `first_own_line` is 0 where there is no text of the candidate's own.
    fn push_own(&mut self, owner: Owner, text: &str, first_own_line: u32) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let count = u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1);
        let last = self.next_line.saturating_add(count - 1);
        self.layout.segments.push(Segment {
            lines: self.next_line..=last,
            owner,
            own_line_offset: i64::from(first_own_line) - i64::from(self.next_line),
        });
        self.layout.text.push_str(text);
        self.layout.text.push('\n');
        self.next_line = last.saturating_add(1);
    }

    fn preamble(&mut self, imports: &[String]) {
        let mut text = String::from(PADDING);
        for import in imports {
            text.push_str(import);
            text.push('\n');
        }
        text.push_str("set_option linter.all false");
        self.push(Owner::Preamble, &text);
        self.push(Owner::Start, &format!("#print \"{} start\"", self.layout.nonce));
    }

    fn pin(&mut self, pin: usize, statement: &Statement) {
        let name = self.names.pin(pin);
        let text = format!("namespace {name}\n{} := sorry\nend {name}", statement.signature);
        self.push(Owner::Pin(pin), &text);
    }

    /// A theorem's universes are rigid once its type is elaborated, so that a candidate about `Prop` does not pass for
    /// one about `Sort u`, as it would where the universes of `type_of%` can still be unified.
    fn check(&mut self, index: usize, ours: &str, pinned: &str) {
        let name = format!("_k{index}_{}", self.names.nonce);
        self.push(Owner::Compare(index), &format!("theorem {name} : type_of% @{pinned} := @{ours}"));
        self.push(Owner::Check(index), &format!("#check @{name}"));
        if self.print_axioms {
            self.push(Owner::Axioms(index), &format!("#print axioms {ours}"));
        }
    }

    fn shared(&mut self, items: &[Item<'_>]) {
        let root = self.names.root();
        self.push(Owner::Preamble, &format!("namespace {root}"));
        let mut pins = 0;
        for (context, members) in group_by_context(items) {
            let group = self.layout.groups.len();
            let group_name = self.names.group(group);
            self.push(Owner::Context(group), &format!("namespace {group_name}\n{context}"));
            let mut pin_of = HashMap::new();
            for &index in &members {
                let Some(statement) = items[index].statement else { continue };
                let pin = *pin_of.entry(statement).or_insert_with(|| {
                    self.pin(pins, statement);
                    pins += 1;
                    pins - 1
                });
                self.layout.pins[index] = Some(pin);
            }
            for &index in &members {
                self.candidate(index, &items[index], group);
            }
            self.push(Owner::GroupEnd(group), &format!("end {group_name}"));
            self.push(
                Owner::GroupSentinel(group),
                &format!("#print \"{} group {group}\"", self.layout.nonce),
            );
            self.layout.groups.push(members);
        }
        self.push(Owner::RootEnd, &format!("end {root}"));
    }

    fn candidate(&mut self, index: usize, item: &Item<'_>, group: usize) {
        let own = self.names.candidate(index);
        self.push(Owner::Preamble, &format!("namespace {own}"));
        self.push_own(Owner::Candidate(index), item.text, item.first_own_line);
        self.push(Owner::CandidateEnd(index), &format!("end {own}"));
        if let (Some(statement), Some(pin)) = (item.statement, self.layout.pins[index]) {
            let prefix = format!("{}.{}", self.names.root(), self.names.group(group));
            let (name, pin) = (&statement.name, self.names.pin(pin));
            self.check(index, &format!("{prefix}.{own}.{name}"), &format!("{prefix}.{pin}.{name}"));
        }
    }

    fn whole_file(&mut self, item: &Item<'_>) {
        let root = self.names.root();
        if let Some(statement) = item.statement {
            self.push(Owner::Context(0), &format!("namespace {root}\n{}", item.context));
            self.pin(0, statement);
            self.push(Owner::Context(0), &format!("end {root}"));
            self.layout.pins[0] = Some(0);
        }
        self.push_own(Owner::Candidate(0), item.text, item.first_own_line);
        if let Some(statement) = item.statement {
            let name = &statement.name;
            self.check(0, &format!("_root_.{name}"), &format!("_root_.{root}.{}.{name}", self.names.pin(0)));
        }
        self.layout.groups.push(vec![0]);
        self.push(Owner::GroupSentinel(0), &format!("#print \"{} group 0\"", self.layout.nonce));
    }
}

/// Groups in order of first appearance, each of at most [`GROUP_SIZE`] candidates.
fn group_by_context<'a>(items: &[Item<'a>]) -> Vec<(&'a str, Vec<usize>)> {
    let mut order: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        match open.get(item.context) {
            Some(&group) if order[group].1.len() < GROUP_SIZE => order[group].1.push(index),
            Some(_) | None => {
                open.insert(item.context, order.len());
                order.push((item.context, vec![index]));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(name: &str) -> Statement {
        Statement::parse(&format!("theorem {name} : True := by")).expect("parses")
    }

    fn item<'a>(statement: &'a Statement, text: &'a str) -> Item<'a> {
        Item { context: "", statement: Some(statement), text, first_own_line: 1, whole_file: false }
    }

    #[test]
    fn every_line_has_one_owner() {
        let (one, two) = (statement("a"), statement("b"));
        let items = [
            Item { context: "open Nat", ..item(&one, "theorem a : True := by\n  trivial") },
            Item { context: "open Nat", ..item(&one, "theorem a : True := by\n\n\n") },
            item(&two, "theorem b : True := by simp"),
        ];
        let layout = Layout::new(&["import Init".to_owned()], &items, "n0nce", true);
        let lines = u32::try_from(layout.text.lines().count()).expect("small");
        let mut next = 1;
        for segment in &layout.segments {
            assert_eq!(*segment.lines.start(), next, "{segment:?}");
            next = segment.lines.end() + 1;
        }
        assert_eq!(next, lines + 1);
        assert_eq!(layout.pins, [Some(0), Some(0), Some(1)]);
        assert_eq!(layout.groups, [vec![0, 1], vec![2]]);
        for (number, line) in (1..).zip(layout.text.lines()) {
            let owner = layout.segment_at(number).expect("owned").owner;
            assert_eq!(matches!(owner, Owner::Check(_)), line.starts_with("#check"), "{line}");
        }
    }

    #[test]
    fn own_lines_count_from_the_candidates_text() {
        let statement = statement("a");
        let text = "theorem a : True := by\n  oops";
        let items = [Item { context: "open Nat\n", first_own_line: 4, ..item(&statement, text) }];
        let layout = Layout::new(&[], &items, "x", false);
        let (line, _) =
            (1..).zip(layout.text.lines()).find(|(_, text)| text.trim() == "oops").expect("there");
        let segment = layout.segment_at(line).expect("owned");
        assert_eq!(i64::from(line) + segment.own_line_offset, 5);
    }

    /// Found in review: only the outermost namespace carried the nonce, and `exact _c0.t` proved anything.
    #[test]
    fn no_namespace_can_be_guessed() {
        let statement = statement("a");
        let layout = Layout::new(&[], &[item(&statement, "x")], "n0nce", false);
        let opened: Vec<&str> =
            layout.text.lines().filter_map(|line| line.strip_prefix("namespace ")).collect();
        assert_eq!(opened.len(), 4);
        assert!(opened.iter().all(|name| name.starts_with('_') && name.contains("n0nce")), "{opened:?}");
    }

    #[test]
    fn nothing_of_a_candidate_is_in_the_first_200_characters() {
        assert!(PADDING.chars().count() > 200);
    }

    #[test]
    fn large_contexts_are_cut_into_groups() {
        let statement = statement("a");
        let items = vec![item(&statement, "x"); GROUP_SIZE * 2 + 1];
        let layout = Layout::new(&[], &items, "x", false);
        assert_eq!(layout.groups.iter().map(Vec::len).collect::<Vec<_>>(), [GROUP_SIZE, GROUP_SIZE, 1]);
    }
}
