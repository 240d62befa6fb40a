//! Tokens to canonical text: resolves every name against the binders around it.
//!
//! A bound variable is written `%f.i`: the i-th binder, counted from 0, of the f-th frame. Frame 0 is the statement;
//! the type of a binder opens a frame of its own, so that a type reads the same wherever its binder stands.

use super::lex::{Kind, Token};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Brackets nested deeper are written token by token, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 100;
/// A binder list of more tokens (a bracket with its inside counts as one) is taken for something else: it keeps the
/// work linear.
const MAX_BINDER_TOKENS: usize = 300;
/// As far a binder's type is searched for the names that it binds.
const MAX_MENTION_TOKENS: usize = 256;
/// A longer type is written as its hash, so that repeating it for every name cannot blow up the text.
const MAX_TYPE_BYTES: usize = 256;

pub(super) fn canonical(tokens: &[Token<'_>]) -> String {
    read(tokens).out
}

/// The names that a statement binds anywhere.
pub(super) fn bound<'t>(tokens: &[Token<'t>]) -> HashSet<&'t str> {
    read(tokens).positions.into_keys().collect()
}

fn read<'a, 't>(tokens: &'a [Token<'t>]) -> Canon<'a, 't> {
    let mut canon = Canon {
        tokens,
        out: String::new(),
        scope: Vec::new(),
        positions: HashMap::new(),
        frames: vec![0],
        automatic: HashMap::new(),
        depth: 0,
        limit: 0,
    };
    match declaration(tokens) {
        Some(keyword) => canon.theorem(keyword),
        None => canon.sequence(0..statement_end(tokens, 0)),
    }
    canon
}

/// Index of the last keyword that begins a statement, outside of all brackets.
pub(super) fn declaration(tokens: &[Token<'_>]) -> Option<usize> {
    top_level(tokens, 0..tokens.len())
        .filter(|at| matches!(tokens[*at].text, "theorem" | "lemma" | "example"))
        .last()
}

/// Index where the attributes and modifiers before a keyword begin.
pub(super) fn modifiers_start(tokens: &[Token<'_>], keyword: usize) -> usize {
    let mut start = keyword;
    while start > 0 {
        let before = &tokens[start - 1];
        let attributes = before.partner.filter(|open| *open > 0 && tokens[*open - 1].text == "@");
        match (before.text, attributes) {
            ("private" | "protected" | "public" | "noncomputable" | "unsafe" | "nonrec", _) => start -= 1,
            ("]", Some(open)) => start = open - 1,
            _ => break,
        }
    }
    start
}

/// Index where the statement ends and its proof begins.
pub(super) fn statement_end(tokens: &[Token<'_>], from: usize) -> usize {
    let mut end = tokens.len();
    for trailing in ["sorry", "by"] {
        if end > from && tokens[end - 1].text == trailing {
            end -= 1;
        }
    }
    if end > from && tokens[end - 1].text == ":=" {
        return end - 1;
    }
    let mut open_lets = 0_usize;
    for at in top_level(tokens, from..tokens.len()) {
        match tokens[at].text {
            "let" | "have" | "letI" | "haveI" => open_lets += 1,
            ":=" if open_lets == 0 => return at,
            ":=" => open_lets -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Indices of a range that stand in no bracket of the range; a bracket's own opening is among them.
pub(super) fn top_level<'a>(
    tokens: &'a [Token<'_>],
    range: Range<usize>,
) -> impl Iterator<Item = usize> + 'a {
    let mut next = range.start;
    std::iter::from_fn(move || {
        let at = next;
        let after = tokens.get(at)?.partner.filter(|partner| *partner > at).unwrap_or(at) + 1;
        next = after;
        (at < range.end).then_some(at)
    })
}

/// What a `then`, `else`, `with` or `|` goes back to.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Branch {
    If,
    Match,
}

type Marks = Vec<(Branch, usize)>;

struct Canon<'a, 't> {
    tokens: &'a [Token<'t>],
    out: String,
    /// Names in scope, innermost last; an anonymous binder is the empty name.
    scope: Vec<&'t str>,
    /// Where each name stands in `scope`, innermost last.
    positions: HashMap<&'t str, Vec<usize>>,
    /// Where each frame begins in `scope`.
    frames: Vec<usize>,
    /// Automatic implicit variables by first use.
    automatic: HashMap<&'t str, usize>,
    depth: usize,
    /// Where the innermost sequence ends.
    limit: usize,
}

/// How a binder is written: its keyword, its brackets, and what ends it.
#[derive(Clone, Copy)]
struct Style<'s> {
    keyword: &'s str,
    brackets: (&'s str, &'s str),
    end: &'s str,
}

const FOR_ALL: Style<'static> = Style { keyword: "∀", brackets: ("(", ")"), end: "," };

impl<'t> Canon<'_, 't> {
    fn theorem(&mut self, keyword: usize) {
        self.flat(0..modifiers_start(self.tokens, keyword));
        let mut at = keyword + 1;
        if self.tokens[keyword].text != "example" && self.kind(at) == Some(Kind::Ident) {
            at += 1;
        }
        if self.text(at) == "."
            && let Some(partner) = self.tokens.get(at + 1).and_then(|token| token.partner)
        {
            self.pattern("universe", at + 1..partner + 1, "");
            at = partner + 1;
        }
        let end = statement_end(self.tokens, at.min(self.tokens.len()));
        while at < end && self.text(at) != ":" {
            at = self.signature_binder(at);
        }
        self.sequence(at + 1..end);
    }

    fn signature_binder(&mut self, at: usize) -> usize {
        let token = self.tokens[at];
        if let Some(partner) = token.partner
            && self.binder_group(at, partner, FOR_ALL)
        {
            return partner + 1;
        }
        if token.kind == Kind::Ident {
            self.untyped(FOR_ALL, &[token.text]);
        } else {
            self.token(at);
        }
        at + 1
    }

    /// A range of tokens at one level; what it binds is forgotten at its end.
    fn sequence(&mut self, range: Range<usize>) {
        if self.depth >= MAX_DEPTH {
            self.flat(range);
            return;
        }
        self.depth += 1;
        let outer_limit = std::mem::replace(&mut self.limit, range.end);
        let base = self.scope.len();
        let mut marks = Marks::new();
        let mut at = range.start;
        while at < range.end {
            at = self.step(at, range.end, base, &mut marks);
        }
        self.forget(base);
        self.limit = outer_limit;
        self.depth -= 1;
    }

    /// Writes what begins at a token and returns the index after it.
    fn step(&mut self, at: usize, end: usize, base: usize, marks: &mut Marks) -> usize {
        let token = self.tokens[at];
        if let Some(partner) = token.partner.filter(|partner| *partner > at && *partner < end) {
            return self.group(at, partner, end);
        }
        match token.text {
            "fun" | "λ" if self.text(at + 1) == "|" => {
                marks.push((Branch::Match, self.scope.len()));
                self.emit("fun");
            }
            "fun" | "λ" | "∀" | "∃" | "∃!" | "Σ" | "Σ'" | "Π" | "∑" | "∏" | "∑'" | "∏'" | "⋃" | "⋂" | "⨆"
            | "⨅" | "∫" | "∀ᶠ" | "∃ᶠ" => return self.binder(at, end),
            "let" | "have" | "letI" | "haveI" | "suffices" => return self.named(at, end),
            "if" => {
                let after = if self.text(at + 2) == ":" { self.named(at, end) } else { self.written(at) };
                marks.push((Branch::If, self.scope.len()));
                return after;
            }
            "match" => {
                marks.push((Branch::Match, self.scope.len()));
                self.token(at);
            }
            "," => {
                self.forget(base);
                marks.clear();
                self.token(at);
            }
            "then" | "else" => {
                self.back_to(Branch::If, token.text == "else", marks);
                self.token(at);
            }
            "with" | "|" => {
                self.back_to(Branch::Match, false, marks);
                self.token(at);
            }
            _ => self.token(at),
        }
        at + 1
    }

    /// Forgets what was bound since the branch began.
    fn back_to(&mut self, branch: Branch, ends_it: bool, marks: &mut Marks) {
        if let Some(found) = marks.iter().rposition(|mark| mark.0 == branch) {
            self.forget(marks[found].1);
            marks.truncate(if ends_it { found } else { found + 1 });
        }
    }

    /// `let x`, `have h`, `if h`: the keyword and the name that it binds, if one follows.
    fn named(&mut self, at: usize, end: usize) -> usize {
        self.token(at);
        if at + 1 < end && self.kind(at + 1) == Some(Kind::Ident) {
            let label = self.bind(self.tokens[at + 1].text);
            self.emit(&label);
            return at + 2;
        }
        at + 1
    }

    /// A quantifier or function with its binders, up to and with the comma or arrow.
    fn binder(&mut self, at: usize, end: usize) -> usize {
        let (keyword, terminators, sign): (&str, &[&str], &str) = match self.text(at) {
            "fun" | "λ" => ("fun", &["=>", "↦"], "=>"),
            other => (other, &[","], ","),
        };
        let mut tokens = top_level(self.tokens, at + 1..end).take(MAX_BINDER_TOKENS);
        let Some(stop) = tokens.find(|at| terminators.contains(&self.text(*at))) else {
            return self.written(at);
        };
        self.binder_list(at + 1, stop, Style { keyword, brackets: ("(", ")"), end: sign });
        stop + 1
    }

    fn binder_list(&mut self, mut at: usize, stop: usize, style: Style<'_>) {
        let mut names = Vec::new();
        while at < stop {
            let token = self.tokens[at];
            if let Some(partner) = token.partner {
                self.untyped(style, &std::mem::take(&mut names));
                if !self.binder_group(at, partner, style) {
                    self.pattern(style.keyword, at..partner + 1, style.end);
                }
                at = partner + 1;
            } else if token.text == ":" {
                self.typed(style, &names, at + 1..stop);
                return;
            } else if token.kind == Kind::Ident && token.text != "in" {
                names.push(token.text);
                at += 1;
            } else {
                self.bounded(style, &names, at..stop);
                return;
            }
        }
        self.untyped(style, &names);
    }

    /// `∀ x > 0,` and `∑ x ∈ s,`: names with a condition on them.
    fn bounded(&mut self, style: Style<'_>, names: &[&'t str], condition: Range<usize>) {
        self.emit(style.keyword);
        for name in names {
            let label = self.bind(name);
            self.emit(&label);
        }
        let start = if self.text(condition.start) == "in" && matches!(style.keyword, "∑" | "∏") {
            // Mathlib's older spelling of the same thing.
            self.emit("∈");
            condition.start + 1
        } else {
            condition.start
        };
        self.sequence(start..condition.end);
        self.emit(style.end);
    }

    fn untyped(&mut self, style: Style<'_>, names: &[&'t str]) {
        for name in names {
            let label = self.bind(name);
            let (open, close) = style.brackets;
            self.emit_all(&[style.keyword, open, &label, close, style.end]);
        }
    }

    fn typed(&mut self, style: Style<'_>, names: &[&'t str], range: Range<usize>) {
        let ty = self.type_text(range.clone());
        // In `(a b : f a)` the second type speaks of the new `a`. Written with a mark, for it is as rare as wrong.
        let looked_at = range.start..range.end.min(range.start + MAX_MENTION_TOKENS);
        let mentioned: HashSet<&str> = self.tokens[looked_at].iter().map(|token| token.text).collect();
        let mut mark = "";
        for name in names {
            let label = self.bind(name);
            let (open, close) = style.brackets;
            self.emit_all(&[style.keyword, open, &label, ":", &ty, mark, close, style.end]);
            if mentioned.contains(name) {
                mark = "'";
            }
        }
    }

    /// A bracketed binder. False, with nothing written, if the bracket is none.
    fn binder_group(&mut self, open: usize, close: usize, style: Style<'_>) -> bool {
        let inside = open + 1..close;
        let brackets = match self.text(open) {
            "(" => ("(", ")"),
            "{" => ("{", "}"),
            "⦃" => ("⦃", "⦄"),
            "[" => ("[", "]"),
            _ => return false,
        };
        let style = Style { brackets, ..style };
        let colon = top_level(self.tokens, inside.clone()).find(|at| self.text(*at) == ":");
        let names_end = colon.unwrap_or(close);
        let named = inside.start < names_end
            && self.tokens[inside.start..names_end].iter().all(|token| token.kind == Kind::Ident);
        let tokens = self.tokens;
        let names: Vec<&'t str> = tokens[inside.start..names_end].iter().map(|token| token.text).collect();
        match colon {
            Some(colon) if named => {
                let stop = top_level(self.tokens, colon + 1..close).find(|at| self.text(*at) == ":=");
                self.typed(style, &names, colon + 1..stop.unwrap_or(close));
                if let Some(stop) = stop {
                    self.sequence(stop..close);
                }
            }
            None if brackets.0 == "[" => self.typed(style, &["_"], inside),
            None if named => self.untyped(style, &names),
            Some(_) | None => return false,
        }
        true
    }

    /// A pattern in brackets: every plain name in it is bound.
    fn pattern(&mut self, keyword: &str, range: Range<usize>, end: &str) {
        self.emit(keyword);
        for at in range {
            let token = self.tokens[at];
            if token.kind == Kind::Ident && !token.text.contains('.') {
                let label = self.bind(token.text);
                self.emit(&label);
            } else {
                self.token(at);
            }
        }
        self.emit(end);
    }

    fn group(&mut self, open: usize, close: usize, end: usize) -> usize {
        let arrow_follows = close + 1 < end && matches!(self.text(close + 1), "→" | "->");
        let is_list = self.text(open) == "[" && self.sticks(open);
        if arrow_follows && !is_list && self.is_typed(open, close) && self.binder_group(open, close, FOR_ALL)
        {
            return close + 2;
        }
        self.token(open);
        if self.text(open) != "{" || !self.set_builder(open, close) {
            self.sequence(open + 1..close);
        }
        self.token(close);
        close + 1
    }

    /// Whether a bracket could be the left of a dependent arrow: `(p) → q` is not, `[C] → q` is.
    fn is_typed(&self, open: usize, close: usize) -> bool {
        self.text(open) == "[" || top_level(self.tokens, open + 1..close).any(|at| self.text(at) == ":")
    }

    /// The inside of `{x | p}`, `{x : T | p}`, `{x ∈ s | p}`, `{x : T // p}`. False, with nothing written, if the
    /// brace is none of these.
    fn set_builder(&mut self, open: usize, close: usize) -> bool {
        let first = open + 1;
        let bar = top_level(self.tokens, first..close).find(|at| matches!(self.text(*at), "|" | "//"));
        let Some(bar) = bar.filter(|_| self.kind(first) == Some(Kind::Ident)) else { return false };
        let name = self.tokens[first].text;
        let base = self.scope.len();
        match self.text(first + 1) {
            "|" | "//" => self.untyped(Style { keyword: "", ..FOR_ALL }, &[name]),
            ":" => self.typed(Style { keyword: "", ..FOR_ALL }, &[name], first + 2..bar),
            "∈" | "∉" | "<" | ">" | "≤" | "≥" | "≠" | "⊆" => {
                self.bounded(Style { keyword: "", ..FOR_ALL }, &[name], first + 1..bar);
            }
            _ => return false,
        }
        self.token(bar);
        self.sequence(bar + 1..close);
        self.forget(base);
        true
    }

    fn type_text(&mut self, range: Range<usize>) -> String {
        let before = std::mem::take(&mut self.out);
        self.frames.push(self.scope.len());
        self.sequence(range);
        self.frames.pop();
        let text = std::mem::replace(&mut self.out, before);
        if text.len() > MAX_TYPE_BYTES {
            format!("#{}", blake3::hash(text.as_bytes()).to_hex())
        } else {
            text
        }
    }

    fn flat(&mut self, range: Range<usize>) {
        range.for_each(|at| self.token(at));
    }

    fn written(&mut self, at: usize) -> usize {
        self.token(at);
        at + 1
    }

    /// One token: a name resolved, a symbol in its one spelling.
    fn token(&mut self, at: usize) {
        let token = self.tokens[at];
        match token.kind {
            Kind::Literal => self.emit(token.text),
            Kind::Ident => {
                let is_field = token.glued && at > 0 && self.text(at - 1) == ".";
                // `f (n := 3)` and `{ x := 1 }` name a parameter or a field, no variable.
                let is_argument = at + 1 < self.limit
                    && self.text(at + 1) == ":="
                    && at > 0
                    && matches!(self.text(at - 1), "(" | "{" | ",");
                let resolved = if is_field || is_argument { None } else { self.resolve(token.text) };
                self.emit(resolved.as_deref().unwrap_or(token.text));
            }
            Kind::Symbol => {
                if matches!(token.text, "." | "[") && self.sticks(at) {
                    self.out.push('~');
                }
                self.emit(spelling(token.text));
            }
        }
    }

    /// Whether a token belongs to the one before it, as the bracket of `xs[i]` and the dot of `p.1` do.
    fn sticks(&self, at: usize) -> bool {
        let follows_term = |before: &Token<'_>| {
            before.kind != Kind::Symbol || before.partner.is_some_and(|partner| partner < at - 1)
        };
        self.tokens[at].glued && at > 0 && follows_term(&self.tokens[at - 1])
    }

    fn resolve(&mut self, name: &'t str) -> Option<String> {
        let first = if name.starts_with('«') { name } else { name.split('.').next().unwrap_or(name) };
        if let Some(position) = self.positions.get(first).and_then(|positions| positions.last()) {
            return Some(format!("{}{}", self.label(*position), &name[first.len()..]));
        }
        if first.len() < name.len() || !is_automatic(name) {
            return None;
        }
        let next = self.automatic.len();
        Some(format!("@{}", self.automatic.entry(name).or_insert(next)))
    }

    fn bind(&mut self, name: &'t str) -> String {
        let position = self.scope.len();
        let name = if name == "_" { "" } else { name };
        self.scope.push(name);
        self.positions.entry(name).or_default().push(position);
        self.label(position)
    }

    fn forget(&mut self, length: usize) {
        while self.scope.len() > length {
            if let Some(positions) = self.scope.pop().and_then(|name| self.positions.get_mut(name)) {
                positions.pop();
            }
        }
    }

    fn label(&self, position: usize) -> String {
        let frame = self.frames.iter().rposition(|start| *start <= position).unwrap_or(0);
        format!("%{frame}.{}", position - self.frames[frame])
    }

    fn text(&self, at: usize) -> &'t str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn emit(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push_str(text.trim_end());
            self.out.push(' ');
        }
    }

    fn emit_all(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.emit(text));
    }
}

/// One spelling of symbols that Lean reads alike.
pub(super) fn spelling(symbol: &str) -> &str {
    match symbol {
        "->" => "→",
        "<->" => "↔",
        "↦" => "=>",
        "<=" => "≤",
        ">=" => "≥",
        "/\\" => "∧",
        "\\/" => "∨",
        "λ" => "fun",
        other => other,
    }
}

/// Whether Lean would take a free name for an automatic implicit variable: one lower-case letter, Latin or Greek, with
/// digits. Letters that Mathlib gives a meaning stay as they are.
pub(super) fn is_automatic(name: &str) -> bool {
    let mut characters = name.chars();
    let letter = characters.next().is_some_and(|first| {
        first.is_ascii_lowercase() || (('α'..='ω').contains(&first) && !"πφψζσμωλ".contains(first))
    });
    letter && characters.all(|rest| rest.is_ascii_digit() || ('₀'..='₉').contains(&rest) || rest == '\'')
}
