//! Where values come from (CodeBLEU, section 3.3; the graph is that of GraphCodeBERT, Guo et al. 2020, arXiv 2009.08366).
//!
//! The rules are those of the package: names by their text, without scopes; loops are walked twice, branches are joined.
//! Every occurrence of a variable or literal has one edge, from the names that its value comes from or is computed from.

use std::collections::{HashMap, HashSet};
use std::mem;

use tree_sitter::Point;

use super::tree::SyntaxTree;

/// A syntax tree that is deeper has no data flow: Python gives up at 1,000 frames, of which some are the caller's.
const MAX_DEPTH: usize = 980;

/// A text that takes more steps has none either. Each loop around a node doubles them: without a bound, 30 nested loops
/// would take hours, as they do with the package. A usual function takes a few hundred.
const MAX_STEPS: usize = 2_000_000;

/// A text's edges, their variables numbered in the order of appearance. In order.
#[derive(Debug, Clone)]
pub(super) struct Flows(Vec<Edge>);

/// To a variable, how, from which variables.
type Edge = (u32, Relation, Vec<u32>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Relation {
    ComesFrom,
    ComputedFrom,
}

impl Flows {
    /// The data flow of `text`, which `tree` is the syntax tree of. None where it is too deep, takes too long, or one of the
    /// package's exceptions would be raised: an assignment lacks its left side, or has as many parts there as its string on
    /// the right, so that these are taken for values (`self.name = "x"`: three and three).
    pub(super) fn new(tree: &SyntaxTree, text: &str) -> Self {
        if tree.depth > MAX_DEPTH {
            return Self(Vec::new());
        }
        let tokens = Tokens::new(tree, text);
        let states = vec![Vec::new(); tokens.names];
        let mut walk = Walk { tree, tokens, states, flows: Vec::new(), steps: 0 };
        let flows = walk.visit(0).map_or_else(Vec::new, |()| walk.flows);
        let mut edges = numbered(&joined(connected(flows)));
        edges.sort_unstable();
        Self(edges)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The share of the references' edges that the candidate has as often, over pairs of candidate and reference; 0 where there
/// are none.
pub(super) fn recall<'a>(pairs: impl Iterator<Item = (&'a Flows, &'a Flows)>) -> f64 {
    let (mut matched, mut all) = (0_usize, 0_usize);
    for (candidate, reference) in pairs {
        let mut left = candidate.0.iter().peekable();
        for edge in &reference.0 {
            while left.next_if(|&other| other < edge).is_some() {}
            matched += usize::from(left.next_if(|&other| other == edge).is_some());
        }
        all += reference.0.len();
    }
    if all == 0 { 0.0 } else { matched as f64 / all as f64 }
}

/// A leaf of the syntax tree. A string is one too, whatever is in it.
#[derive(Clone, Copy)]
struct Token {
    /// Its place among the tokens.
    place: u32,
    name: u32,
    /// A keyword, operator or bracket.
    fixed: bool,
}

/// What a node is to the data flow.
#[derive(Clone, Copy)]
enum Part {
    Token(Token),
    /// A leaf within a string, which is no token. The package fails where it comes upon one.
    InString,
    /// A node whose children are looked at; a comment has none.
    Inner,
}

struct Tokens {
    by_node: Vec<Part>,
    /// How many different texts the tokens have; their names are below.
    names: usize,
}

impl Tokens {
    fn new(tree: &SyntaxTree, text: &str) -> Self {
        let lines: Vec<&str> = text.split('\n').collect();
        let mut names: HashMap<String, u32> = HashMap::new();
        let mut tokens: Vec<((Point, Point), Token)> = Vec::new();
        let mut at = 0;
        while at < tree.len() {
            let node = tree.node(at);
            if is_token(tree, at) {
                let text = text_between(&lines, node.start, node.end);
                let fixed = node.kind == text;
                let next = names.len() as u32;
                let name = *names.entry(text).or_insert(next);
                tokens.push(((node.start, node.end), Token { place: tokens.len() as u32, name, fixed }));
                at = tree.within(at).end;
            } else {
                at += 1;
            }
        }
        // As in the package, a token is found by where it stands, so of several empty ones at a place the last one is.
        let part = |index: usize| {
            let range = (tree.node(index).start, tree.node(index).end);
            let behind = tokens.partition_point(|&(other, _)| other <= range);
            match tokens[..behind].last() {
                _ if !is_token(tree, index) => Part::Inner,
                Some(&(other, token)) if other == range => Part::Token(token),
                Some(_) | None => Part::InString,
            }
        };
        Self { by_node: (0..tree.len()).map(part).collect(), names: names.len() }
    }
}

fn is_token(tree: &SyntaxTree, index: usize) -> bool {
    let kind = tree.node(index).kind;
    kind == "string" || (tree.is_leaf(index) && kind != "comment")
}

/// A token's text. The package takes tree-sitter's columns, which are bytes, for characters, and leaves out newlines.
fn text_between(lines: &[&str], start: Point, end: Point) -> String {
    let cut = |line: usize, from: usize, to: usize| {
        let line = lines.get(line).copied().unwrap_or_default();
        if line.is_ascii() {
            line[from.min(line.len())..to.min(line.len())].to_owned()
        } else {
            line.chars().take(to).skip(from).collect()
        }
    };
    if start.row == end.row {
        return cut(start.row, start.column, end.column);
    }
    let mut text = cut(start.row, start.column, usize::MAX);
    (start.row + 1..end.row).for_each(|line| text += &cut(line, 0, usize::MAX));
    text + &cut(end.row, 0, end.column)
}

/// To the token at a place, under its name, from names and the places where they had got their values.
#[derive(Debug, Clone, PartialEq)]
struct Flow {
    place: u32,
    name: u32,
    relation: Relation,
    names: Vec<u32>,
    places: Vec<u32>,
}

impl Flow {
    /// Takes in the sources of another flow, each once.
    fn join(&mut self, other: &Self) {
        let add = |ours: &mut Vec<u32>, theirs: &[u32]| {
            let mut seen = HashSet::with_capacity(ours.len() + theirs.len());
            ours.extend(theirs);
            ours.retain(|&one| seen.insert(one));
        };
        add(&mut self.names, &other.names);
        add(&mut self.places, &other.places);
    }
}

/// By name: where its values may have been set. Empty: it has none.
type States = Vec<Vec<u32>>;

/// Adds to each name's places those of `other`.
fn unite(states: &mut States, other: &States) {
    for (places, others) in states.iter_mut().zip(other) {
        if places != others {
            places.extend(others);
            places.sort_unstable();
            places.dedup();
        }
    }
}

struct Walk<'a> {
    tree: &'a SyntaxTree,
    tokens: Tokens,
    states: States,
    flows: Vec<Flow>,
    steps: usize,
}

/// `None`: the text has no data flow.
type Visited = Option<()>;

impl Walk<'_> {
    fn visit(&mut self, index: usize) -> Visited {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return None;
        }
        match self.tokens.by_node[index] {
            Part::Token(token) => {
                self.token(token, self.tree.node(index).kind == "identifier");
                return Some(());
            }
            Part::InString => return None,
            Part::Inner => {}
        }
        match self.tree.node(index).kind {
            "default_parameter" => self.default_parameter(index),
            "assignment" | "augmented_assignment" if self.tree.child_by_field(index, "right").is_none() => {
                Some(())
            }
            "assignment" | "augmented_assignment" => self.assign(index),
            "for_in_clause" => {
                let left = self.tree.child_by_field(index, "left")?;
                let right = self.tree.children(index).last()?;
                self.visit(right)?;
                self.computed(left, right)
            }
            "if_statement" => self.branches(index),
            "for_statement" => self.twice(|walk| walk.for_statement(index)),
            "while_statement" => self.twice(|walk| walk.visit_all(index, |_| true)),
            _ => {
                self.visit_all(index, |kind| kind == "for_in_clause")?;
                self.visit_all(index, |kind| kind != "for_in_clause")
            }
        }
    }

    fn visit_all(&mut self, index: usize, wanted: impl Fn(&str) -> bool) -> Visited {
        let tree = self.tree;
        tree.children(index)
            .filter(|&child| wanted(tree.node(child).kind))
            .try_for_each(|child| self.visit(child))
    }

    fn token(&mut self, token: Token, identifier: bool) {
        if token.fixed {
            return;
        }
        let places = self.states[token.name as usize].clone();
        let names = if places.is_empty() { Vec::new() } else { vec![token.name] };
        if places.is_empty() && identifier {
            self.states[token.name as usize] = vec![token.place];
        }
        self.push(token, Relation::ComesFrom, names, places);
    }

    fn push(&mut self, token: Token, relation: Relation, names: Vec<u32>, places: Vec<u32>) {
        self.flows.push(Flow { place: token.place, name: token.name, relation, names, places });
    }

    /// The tokens in a node that stand for a value.
    fn variables(&self, index: usize) -> Option<Vec<Token>> {
        let within = self.tree.within(index);
        let mut variables = Vec::new();
        let mut at = within.start;
        while at < within.end {
            at = match self.tokens.by_node[at] {
                Part::Token(token) => {
                    variables.extend((!token.fixed).then_some(token));
                    self.tree.within(at).end
                }
                Part::InString => return None,
                Part::Inner => at + 1,
            };
        }
        Some(variables)
    }

    fn default_parameter(&mut self, index: usize) -> Visited {
        let name = self.tree.child_by_field(index, "name")?;
        let values = match self.tree.child_by_field(index, "value") {
            Some(value) => {
                self.visit(value)?;
                Some(self.variables(value)?)
            }
            None => None,
        };
        for token in self.variables(name)? {
            match &values {
                Some(values) => values.iter().for_each(|value| {
                    self.push(token, Relation::ComesFrom, vec![value.name], vec![value.place]);
                }),
                None => self.push(token, Relation::ComesFrom, Vec::new(), Vec::new()),
            }
            self.states[token.name as usize] = vec![token.place];
        }
        Some(())
    }

    /// Both sides of an assignment or a loop: side by side where they have as many parts, else as a whole.
    fn assign(&mut self, index: usize) -> Visited {
        let (left, right) =
            (self.tree.child_by_field(index, "left")?, self.tree.child_by_field(index, "right")?);
        let (mut lefts, mut rights) = (self.parts(left), self.parts(right));
        if lefts.is_empty() || lefts.len() != rights.len() {
            (lefts, rights) = (vec![left], vec![right]);
        }
        rights.iter().try_for_each(|&right| self.visit(right))?;
        lefts.into_iter().zip(rights).try_for_each(|(left, right)| self.computed(left, right))
    }

    fn parts(&self, index: usize) -> Vec<usize> {
        self.tree.children(index).filter(|&child| self.tree.node(child).kind != ",").collect()
    }

    /// Every variable on the left is computed from all on the right.
    fn computed(&mut self, left: usize, right: usize) -> Visited {
        let sources = self.variables(right)?;
        for token in self.variables(left)? {
            self.steps += sources.len();
            let names = sources.iter().map(|source| source.name).collect();
            let places = sources.iter().map(|source| source.place).collect();
            self.push(token, Relation::ComputedFrom, names, places);
            self.states[token.name as usize] = vec![token.place];
        }
        Some(())
    }

    fn for_statement(&mut self, index: usize) -> Visited {
        self.assign(index)?;
        // With an `else`, the last child is that, and the package does not see the body.
        let body = self.tree.children(index).last().filter(|&last| self.tree.node(last).kind == "block");
        body.map_or(Some(()), |body| self.visit(body))
    }

    /// A loop: its second round sees what the first one has set.
    fn twice(&mut self, mut round: impl FnMut(&mut Self) -> Visited) -> Visited {
        let start = self.flows.len();
        round(self)?;
        round(self)?;
        let mut found: HashMap<(u32, u32, Relation), usize> = HashMap::new();
        for flow in self.flows.split_off(start) {
            let next = self.flows.len();
            match *found.entry((flow.name, flow.place, flow.relation)).or_insert(next) {
                new if new == next => self.flows.push(flow),
                known => self.flows[known].join(&flow),
            }
        }
        Some(())
    }

    /// Each `elif` and `else` begins with what was before the `if`; behind it, all of them are possible.
    fn branches(&mut self, index: usize) -> Visited {
        let tree = self.tree;
        let before = self.states.clone();
        let mut others: Option<States> = None;
        let mut complete = false;
        for child in tree.children(index) {
            let kind = tree.node(child).kind;
            complete |= kind.contains("else");
            if matches!(kind, "elif_clause" | "else_clause") {
                self.steps += before.len();
                let main = mem::replace(&mut self.states, before.clone());
                self.visit(child)?;
                let end = mem::replace(&mut self.states, main);
                match &mut others {
                    Some(others) => unite(others, &end),
                    None => others = Some(end),
                }
            } else {
                self.visit(child)?;
            }
        }
        others.iter().for_each(|others| unite(&mut self.states, others));
        if !complete {
            unite(&mut self.states, &before);
        }
        Some(())
    }
}

/// In the order of the tokens, only those that are from or to something.
fn connected(mut flows: Vec<Flow>) -> Vec<Flow> {
    flows.sort_by_key(|flow| flow.place);
    let mut ends: Vec<u32> = Vec::new();
    for flow in flows.iter().filter(|flow| !flow.places.is_empty()) {
        ends.push(flow.place);
        ends.extend(&flow.places);
    }
    ends.sort_unstable();
    flows.retain(|flow| ends.binary_search(&flow.place).is_ok());
    flows
}

/// One flow for each token: the last one's name and relation, the sources of all. `flows` are in order.
fn joined(flows: Vec<Flow>) -> Vec<Flow> {
    let mut joined: Vec<Flow> = Vec::with_capacity(flows.len());
    for flow in flows {
        match joined.last_mut().filter(|last| last.place == flow.place) {
            Some(last) => {
                last.join(&flow);
                (last.name, last.relation) = (flow.name, flow.relation);
            }
            None => joined.push(flow),
        }
    }
    joined
}

/// With numbers instead of names, so that renaming changes nothing.
fn numbered(flows: &[Flow]) -> Vec<Edge> {
    let mut numbers: HashMap<u32, u32> = HashMap::new();
    let mut number = |name: u32| {
        let next = numbers.len() as u32;
        *numbers.entry(name).or_insert(next)
    };
    let edge = |flow: &Flow| {
        let names = flow.names.iter().map(|&name| number(name)).collect();
        (number(flow.name), flow.relation, names)
    };
    flows.iter().map(edge).collect()
}
