//! From a draft to a task: inputs are tried on every program, and those that tell them apart become its tests.

use super::Bug;
use super::draft::{Draft, Wrong};
use super::inputs::Near;
use super::python::{Fault, Program, Value};
use super::rng::Rng;

/// So many lists of arguments are tried.
const POOL: usize = 48;
/// So many tests are shown, and so many are not.
const SHOWN: usize = 3;
const HIDDEN: usize = 4;
/// The longest test, in bytes.
pub(super) const MAX_TEST_BYTES: usize = 80;
/// The longest prompt and the longest body, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 200;
/// What a program gives is quoted in feedback, and no longer than this.
const MAX_RESULT_BYTES: usize = 48;
/// So many slips of one task are kept.
const MAX_SLIPS: usize = 2;

/// A task without its labels.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) prompt: String,
    pub(super) entry_point: String,
    pub(super) solution: String,
    pub(super) tests: Vec<String>,
    pub(super) hidden_tests: Vec<String>,
    pub(super) bugs: Vec<Bug>,
}

type Outcome = Result<Value, Fault>;

/// Arguments, and what each program makes of them.
struct Case {
    test: String,
    expected: Value,
    /// The other choices, in the order of the draft.
    others: Vec<Outcome>,
    slips: Vec<Outcome>,
    /// Which of the other choices, the slips, and the programs that ignore what is asked it refutes.
    refuted: Vec<bool>,
}

impl Case {
    /// Whether every choice that the docstring leaves gives something else here.
    fn tells_choices(&self) -> bool {
        let (others, refuted) = (&self.others, &self.refuted);
        others.iter().enumerate().all(|(at, one)| refuted[at] && !others[..at].contains(one))
    }
}

/// `None` if no tests tell the choices apart, no bug is left, or something would be too long: the family draws again.
pub(super) fn assemble(draft: Draft, rng: &mut Rng) -> Option<Assembled> {
    let names: Vec<&str> = draft.parameters.iter().map(|(name, _)| *name).collect();
    let prompt = format!("def {}({}):\n    \"\"\"{}\"\"\"\n", draft.name, names.join(", "), draft.doc);
    let mut cases = cases(&draft, &names, rng);
    let is_open = !draft.others.is_empty();
    let mut shown = Vec::new();
    let first = cases.iter().position(|case| !is_open || case.tells_choices())?;
    shown.push(cases.remove(first));
    while shown.len() < SHOWN {
        let next = best(&cases, &shown)?;
        shown.push(cases.remove(next));
    }
    let mut hidden: Vec<Case> = Vec::new();
    while hidden.len() < HIDDEN {
        let next = best(&cases, &hidden)?;
        hidden.push(cases.remove(next));
    }
    // Whoever has only read the docstring must not pass by another choice, nor whoever has read nothing.
    let refuted = refuted(&hidden);
    let of_idle = draft.others.len() + draft.slips.len();
    let all = |mut range: std::ops::Range<usize>| range.all(|at| refuted[at]);
    if !all(0..draft.others.len()) || !all(of_idle..refuted.len()) {
        return None;
    }
    let bugs = bugs(&draft, &shown, rng)?;
    let (tests, hidden_tests) = (texts(&shown), texts(&hidden));
    let solution = indented(&draft.solution);
    let fits = prompt.len() <= MAX_TEXT_BYTES
        && bugs.iter().map(|bug| &bug.completion).chain([&solution]).all(|body| body.len() <= MAX_TEXT_BYTES);
    fits.then_some(Assembled { prompt, entry_point: draft.name, solution, tests, hidden_tests, bugs })
}

fn program(body: &str) -> Program {
    Program::parse(body)
        .unwrap_or_else(|error| panic!("a family writes what is no program ({error}): {body}"))
}

/// Inputs on which the solution gives something that can be shown, each once, in random order.
fn cases(draft: &Draft, names: &[&str], rng: &mut Rng) -> Vec<Case> {
    let parsed = |list: &[Wrong]| list.iter().map(|wrong| program(&wrong.body)).collect::<Vec<_>>();
    let (solution, others, slips) = (program(&draft.solution), parsed(&draft.others), parsed(&draft.slips));
    let constants: Vec<Value> =
        std::iter::once(&solution).chain(&others).flat_map(Program::constants).collect();
    let near = Near::of(&constants, draft.cased);
    let mut cases: Vec<Case> = Vec::new();
    for _ in 0..POOL {
        let arguments = near.draw(rng, &draft.parameters);
        let outcomes =
            |list: &[Program]| list.iter().map(|program| program.call(names, &arguments)).collect::<Vec<_>>();
        let Ok(expected) = solution.call(names, &arguments) else { continue };
        let shown: Vec<String> = arguments.iter().map(Value::to_string).collect();
        let test = format!("assert {}({}) == {expected}", draft.name, shown.join(", "));
        let fits = test.len() <= MAX_TEST_BYTES && expected.to_string().len() <= MAX_RESULT_BYTES;
        if fits && cases.iter().all(|case| case.test != test) {
            let (others, slips) = (outcomes(&others), outcomes(&slips));
            let idle = [Value::None, Value::Int(0), Value::text(""), Value::List(Vec::new())];
            let idle = arguments.first().into_iter().chain(&idle);
            let refutes = |outcome: &Outcome| outcome.as_ref() != Ok(&expected);
            let refuted =
                others.iter().chain(&slips).map(refutes).chain(idle.map(|value| *value != expected));
            let refuted = refuted.collect();
            cases.push(Case { test, expected, others, slips, refuted });
        }
    }
    cases
}

/// What at least one of the cases refutes.
fn refuted(cases: &[Case]) -> Vec<bool> {
    let mut all: Vec<bool> = Vec::new();
    for case in cases {
        all.resize(case.refuted.len(), false);
        all.iter_mut().zip(&case.refuted).for_each(|(all, one)| *all |= one);
    }
    all
}

/// The case that refutes most of what those chosen before do not; the first of the best.
fn best(cases: &[Case], chosen: &[Case]) -> Option<usize> {
    let known = refuted(chosen);
    let gain = |case: &Case| {
        let is_news = |(at, refuted): (usize, &bool)| *refuted && known.get(at) != Some(&true);
        let news = case.refuted.iter().enumerate().filter(|pair| is_news(*pair)).count();
        let is_new = chosen.iter().all(|other| other.expected != case.expected);
        2 * news + usize::from(is_new)
    };
    let mut best: Option<(usize, usize)> = None;
    for (at, case) in cases.iter().enumerate() {
        let gain = gain(case);
        if best.is_none_or(|(_, most)| gain > most) {
            best = Some((at, gain));
        }
    }
    best.map(|(at, _)| at)
}

/// The other choices, and a few slips that a shown test refutes. A program that does not end, or whose result nobody would
/// quote, is none: its feedback would not be short.
fn bugs(draft: &Draft, shown: &[Case], rng: &mut Rng) -> Option<Vec<Bug>> {
    let is_short = |outcome: &Outcome| match outcome {
        Ok(value) => value.to_string().len() <= MAX_RESULT_BYTES,
        Err(fault) => *fault != Fault::Limit,
    };
    let known = refuted(shown);
    let of = |at: usize| {
        move |case: &Case| is_short(case.others.iter().chain(&case.slips).nth(at).unwrap_or(&Ok(Value::None)))
    };
    let is_seen = |at: usize| known[at] && shown.iter().all(of(at));
    if !(0..draft.others.len()).all(is_seen) {
        return None;
    }
    let mut bugs: Vec<Bug> = draft.others.iter().map(bug).collect();
    let slips = draft.slips.iter().enumerate().filter(|(at, _)| is_seen(draft.others.len() + at));
    let mut slips: Vec<Bug> = slips.map(|(_, slip)| bug(slip)).collect();
    rng.shuffle(&mut slips);
    let wanted = bugs.len() + 1 + rng.below(MAX_SLIPS);
    for slip in slips {
        if bugs.len() < wanted && bugs.iter().all(|bug| bug.completion != slip.completion) {
            bugs.push(slip);
        }
    }
    if bugs.is_empty() { None } else { Some(bugs) }
}

fn bug(wrong: &Wrong) -> Bug {
    Bug { completion: indented(&wrong.body), explanation: wrong.explanation.clone(), kind: wrong.kind }
}

fn texts(cases: &[Case]) -> Vec<String> {
    cases.iter().map(|case| case.test.clone()).collect()
}

fn indented(body: &str) -> String {
    body.lines().fold(String::new(), |text, line| text + "    " + line + "\n")
}
