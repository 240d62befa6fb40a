//! The theory that Isabelle checks: written by us around a pinned statement, with commands of ours behind the proof whose
//! output is the evidence.

use super::commands::Role;
use super::lexer::{self, Token, TokenKind};
use super::policy::{self, Finding, Rules};
use super::statement::{self, Head};
use super::symbols;
use crate::verdict::Reason;
use std::ops::Range;
use thiserror::Error;

/// What a theorem was pinned by: trusted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned<'a> {
    /// Theories to import, without quotation marks.
    pub imports: &'a [String],
    /// What is defined before the theorem.
    pub header: &'a str,
    /// The theorem up to its proof.
    pub statement: &'a str,
}

/// Whose text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// The theory's header, with which no proof has to do.
    Header,
    /// Ours, behind everything else.
    Ours,
    /// Pinned: header and statement.
    Trusted,
    /// The candidate's.
    Candidate,
}

/// A command of ours that Isabelle must answer at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The theorem that it asks about.
    pub theorem: String,
    /// Its line, from 1.
    pub line: u64,
    /// Its keyword's first symbol, from 1.
    pub offset: u64,
    /// The first symbol behind its keyword.
    pub end_offset: u64,
}

/// A theory with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Name of the theory, and of its file without `.thy`.
    pub name: String,
    /// The whole text, ASCII outside of comments.
    pub text: String,
    /// What must be answered, and how: nothing else is evidence.
    pub evidence: Vec<Evidence>,
    /// The end of each region in symbols, in order.
    regions: Vec<(u64, Region)>,
    /// Lines before the first of the candidate's or the pinned text.
    lines_before: u64,
    /// Our name for the theorem, and the one that it has for people.
    renamed: Option<(String, String)>,
}

/// There is no theory that says anything about the candidate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoTheory {
    /// The candidate is refused.
    #[error("{}", .0.name)]
    Refused(Finding),
    /// What it was pinned by can't be checked: not its fault.
    #[error("the pinned statement can't be checked: {0}")]
    Unpinnable(String),
}

const COMMAND: &str = "thm_oracles";

impl Layout {
    /// Around a completion: the proof of a pinned statement.
    ///
    /// # Errors
    /// As [`NoTheory`] says.
    pub fn of_completion(
        pinned: Pinned<'_>,
        completion: &str,
        rules: Rules,
        nonce: &str,
    ) -> Result<Self, NoTheory> {
        let proof = policy::completion(&symbols::to_ascii(completion), rules).map_err(NoTheory::Refused)?;
        Self::of_proof(pinned, "", &proof.text, nonce)
    }

    /// As [`of_completion`](Self::of_completion), but whatever the proof holds: what a policy would refuse must show in the
    /// evidence as well.
    ///
    /// # Errors
    /// The statement can't be pinned.
    pub fn of_proof(pinned: Pinned<'_>, lemmas: &str, proof: &str, nonce: &str) -> Result<Self, NoTheory> {
        let statement = symbols::to_ascii(pinned.statement);
        let tokens = lexer::tokenize(&statement).map_err(|error| NoTheory::Unpinnable(error.to_string()))?;
        let code: Vec<Token<'_>> =
            tokens.into_iter().filter(|token| token.kind != TokenKind::Comment).collect();
        let head = Head::of(&code);
        let head =
            head.ok_or_else(|| NoTheory::Unpinnable("it is no theorem outside of locales".to_owned()))?;
        let name = format!("pl_{nonce}");
        let known =
            head.name.clone().map_or_else(|| "the theorem".to_owned(), |range| statement[range].to_owned());
        let mut writer = Writer::new(&format!("Pl{nonce}"), pinned.imports);
        writer.put(Region::Trusted, &symbols::to_ascii(pinned.header));
        writer.line();
        writer.put(Region::Candidate, lemmas);
        writer.line();
        writer.put(Region::Trusted, &head.rename(&statement, &name));
        let glued = statement.ends_with(char::is_whitespace) || proof.starts_with(char::is_whitespace);
        writer.put(Region::Candidate, &format!("{}{proof}", if glued { "" } else { " " }));
        let mut layout = writer.end(std::slice::from_ref(&name));
        layout.renamed = Some((name, known));
        Ok(layout)
    }

    /// Around a whole file of the candidate's. Pinned, it must prove that theorem, before which nothing but lemmas may stand;
    /// not pinned, every theorem of it is asked for.
    ///
    /// # Errors
    /// As [`NoTheory`] says.
    pub fn of_file(
        code: &str,
        pinned: Option<Pinned<'_>>,
        rules: Rules,
        nonce: &str,
    ) -> Result<Self, NoTheory> {
        let code = symbols::to_ascii(code);
        let file = TheoryFile::parse(&code).map_err(NoTheory::Refused)?;
        let body_text = &code[file.body.clone()];
        let tokens = policy::clean_tokens(body_text).map_err(NoTheory::Refused)?;
        let body = statement::body(&tokens).map_err(NoTheory::Refused)?;
        let Some(pinned) = pinned else {
            return Self::of_body(&file, body_text, &body, nonce).map_err(NoTheory::Refused);
        };
        let (lemmas, proof) = pinned_part(pinned, body_text, &tokens, &body)?;
        let proof = policy::completion(proof, rules).map_err(NoTheory::Refused)?;
        Self::of_proof(pinned, lemmas, &proof.text, nonce)
    }

    fn of_body(file: &TheoryFile, text: &str, body: &statement::Body, nonce: &str) -> Result<Self, Finding> {
        let mut writer = Writer::new(&format!("Pl{nonce}"), &file.imports);
        let mut names = Vec::new();
        let mut at = 0;
        for (index, theorem) in body.theorems.iter().enumerate() {
            let Some(head) = &theorem.head else {
                let name = "a theorem in a locale".to_owned();
                return Err(Finding {
                    reason: Reason::StatementMismatch,
                    name,
                    offset: theorem.statement.start,
                });
            };
            match theorem.name(text) {
                Some(name) => names.push(name.to_owned()),
                None => {
                    let name = format!("pl_{nonce}_{index}");
                    // The head's places count from the beginning of the whole text.
                    let until = theorem.statement.end;
                    let renamed = head.rename(&text[..until], &name);
                    writer.put(Region::Candidate, &renamed[at..]);
                    names.push(name);
                    at = until;
                }
            }
        }
        writer.put(Region::Candidate, &text[at..]);
        if names.is_empty() {
            let name = "it states no theorem".to_owned();
            return Err(Finding { reason: Reason::MissingDeclaration, name, offset: 0 });
        }
        Ok(writer.end(&names))
    }

    /// Whose text the symbol at this offset is.
    #[must_use]
    pub fn region(&self, offset: u64) -> Region {
        self.regions.iter().find(|(end, _)| offset <= *end).map_or(Region::Ours, |(_, region)| *region)
    }

    /// A line of the theory as a line of pinned and candidate's text, from 1; `None` for our own first lines.
    #[must_use]
    pub fn candidate_line(&self, line: u64) -> Option<u32> {
        line.checked_sub(self.lines_before).filter(|line| *line > 0).and_then(|line| u32::try_from(line).ok())
    }

    /// A message with the theorem's own name in it.
    #[must_use]
    pub fn for_people(&self, message: &str) -> String {
        match &self.renamed {
            Some((ours, theirs)) => message.replace(ours, theirs),
            None => message.to_owned(),
        }
    }
}

/// Lemmas before the pinned theorem, and its proof, in a candidate's body.
fn pinned_part<'a>(
    pinned: Pinned<'_>,
    text: &'a str,
    tokens: &[Token<'_>],
    body: &statement::Body,
) -> Result<(&'a str, &'a str), NoTheory> {
    let refuse = |reason, name: &str, offset| {
        Err(NoTheory::Refused(Finding { reason, name: name.to_owned(), offset }))
    };
    let wanted = symbols::to_ascii(pinned.statement);
    let wanted = code(&wanted).map_err(NoTheory::Unpinnable)?;
    let of = |range: &Range<usize>| -> Vec<&str> {
        let inside = tokens.iter().filter(|token| range.contains(&token.offset));
        inside.map(|token| token.text).collect()
    };
    let Some(found) = body.theorems.iter().position(|theorem| of(&theorem.statement) == wanted) else {
        let named = |theorem: &&statement::Theorem| {
            wanted.get(1).is_some_and(|name| theorem.name(text) == Some(name))
        };
        return match body.theorems.iter().find(named) {
            Some(theorem) => refuse(
                Reason::StatementMismatch,
                "the theorem of that name says something else",
                theorem.statement.start,
            ),
            None => refuse(Reason::MissingDeclaration, "the pinned theorem is not there", 0),
        };
    };
    let theorem = &body.theorems[found];
    let header = symbols::to_ascii(pinned.header);
    let header = code(&header).map_err(NoTheory::Unpinnable)?;
    let before: Vec<&Token<'_>> =
        tokens.iter().take_while(|token| token.offset < theorem.statement.start).collect();
    let repeats = !header.is_empty()
        && before.len() >= header.len()
        && before.iter().zip(&header).all(|(token, wanted)| token.text == *wanted);
    let start = if repeats {
        before.get(header.len()).map_or(theorem.statement.start, |token| token.offset)
    } else {
        0
    };
    let foreign = |(role, offset): &&(Role, usize)| {
        (start..theorem.statement.start).contains(offset) && !matches!(role, Role::Document | Role::Look)
    };
    if let Some((_, offset)) = body.others.iter().find(foreign) {
        return refuse(Reason::StatementMismatch, "more than lemmas before the pinned theorem", *offset);
    }
    for lemma in body.theorems[..found].iter().filter(|lemma| lemma.statement.start >= start) {
        if lemma.head.is_none() {
            return refuse(Reason::StatementMismatch, "a lemma in a locale", lemma.statement.start);
        }
        if let Some(offset) = strange_attribute(tokens, &lemma.statement) {
            return refuse(
                Reason::StatementMismatch,
                "an attribute that could change the pinned theorem",
                offset,
            );
        }
    }
    Ok((&text[start..theorem.statement.start], &text[theorem.proof.clone()]))
}

/// Attributes that only tell proof methods what a lemma is good for.
const ATTRIBUTES: [&str; 14] = [
    "simp",
    "intro",
    "elim",
    "dest",
    "iff",
    "cong",
    "split",
    "trans",
    "sym",
    "rule_format",
    "simplified",
    "symmetric",
    "mono",
    "code",
];

/// An attribute of a lemma's statement that could do more.
fn strange_attribute(tokens: &[Token<'_>], statement: &Range<usize>) -> Option<usize> {
    let inside: Vec<&Token<'_>> = tokens.iter().filter(|token| statement.contains(&token.offset)).collect();
    let mut at = 0;
    while at < inside.len() {
        if inside[at].text == "[" {
            let end =
                at + inside[at..].iter().position(|token| token.text == "]").unwrap_or(inside.len() - at);
            for (index, token) in inside.iter().enumerate().take(end).skip(at + 1) {
                let is_first = matches!(inside[index - 1].text, "[" | ",");
                let is_known = token.kind == TokenKind::Word && ATTRIBUTES.contains(&token.text);
                if (is_first && !is_known) || token.text == "[" {
                    return Some(token.offset);
                }
            }
            at = end;
        }
        at += 1;
    }
    None
}

fn code(text: &str) -> Result<Vec<&str>, String> {
    let tokens = lexer::tokenize(text).map_err(|error| error.to_string())?;
    Ok(tokens.into_iter().filter(|token| token.kind != TokenKind::Comment).map(|token| token.text).collect())
}

/// Writes a theory piece by piece.
struct Writer {
    layout: Layout,
    symbols: u64,
}

impl Writer {
    fn new(name: &str, imports: &[String]) -> Self {
        let mut layout = Layout {
            name: name.to_owned(),
            text: String::new(),
            evidence: Vec::new(),
            regions: Vec::new(),
            lines_before: 2,
            renamed: None,
        };
        layout.text.reserve(256);
        let mut writer = Self { layout, symbols: 0 };
        writer.put(Region::Header, &format!("theory {name} imports {}\nbegin\n", import_list(imports)));
        writer
    }

    fn put(&mut self, region: Region, text: &str) {
        self.symbols += symbols::count(text);
        self.layout.text.push_str(text);
        self.layout.regions.push((self.symbols, region));
    }

    /// Ends the line, if one is begun.
    fn line(&mut self) {
        if !self.layout.text.ends_with('\n') {
            self.put(Region::Ours, "\n");
        }
    }

    fn end(mut self, theorems: &[String]) -> Layout {
        for theorem in theorems {
            self.line();
            let line = 1 + self.layout.text.matches('\n').count() as u64;
            let offset = self.symbols + 1;
            let end_offset = offset + COMMAND.len() as u64;
            self.layout.evidence.push(Evidence { theorem: theorem.clone(), line, offset, end_offset });
            self.put(Region::Ours, &format!("{COMMAND} {theorem}\n"));
        }
        self.line();
        self.put(Region::Ours, "end\n");
        self.layout
    }
}

/// Imports as they are written: in quotation marks, those that are no plain word.
#[must_use]
pub fn import_list(imports: &[String]) -> String {
    let written = |import: &String| {
        let is_plain = import.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_plain { import.clone() } else { format!("\"{import}\"") }
    };
    imports.iter().map(written).collect::<Vec<_>>().join(" ")
}

/// A `.thy` file's frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TheoryFile {
    /// The theory's name.
    pub name: String,
    /// Its imports, without quotation marks.
    pub imports: Vec<String>,
    /// What stands between `begin` and the last `end`, in bytes.
    pub body: Range<usize>,
}

impl TheoryFile {
    /// Reads `theory NAME imports … begin … end`.
    ///
    /// # Errors
    /// It is none, or brings commands of its own (`keywords`).
    pub fn parse(text: &str) -> Result<Self, Finding> {
        let malformed =
            |name: &str, offset| Finding { reason: Reason::Malformed, name: name.to_owned(), offset };
        let tokens = lexer::tokenize(text).map_err(|error| malformed(&error.to_string(), error.offset()))?;
        let tokens: Vec<Token<'_>> =
            tokens.into_iter().filter(|token| token.kind != TokenKind::Comment).collect();
        let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.text == word);
        let start = tokens.iter().position(|token| token.text == "theory");
        let start = start.ok_or_else(|| malformed("there is no `theory`", 0))?;
        let name = tokens.get(start + 1).ok_or_else(|| malformed("the theory has no name", text.len()))?;
        if !is(start + 2, "imports") {
            return Err(malformed("the theory imports nothing", name.offset));
        }
        let begin = tokens.iter().position(|token| token.text == "begin");
        let begin = begin
            .filter(|begin| *begin > start)
            .ok_or_else(|| malformed("there is no `begin`", text.len()))?;
        for token in &tokens[start + 3..begin] {
            if matches!(token.text, "keywords" | "abbrevs") {
                return Err(Finding {
                    reason: Reason::MetaCode,
                    name: token.text.to_owned(),
                    offset: token.offset,
                });
            }
        }
        let imports = tokens[start + 3..begin].iter().map(|token| token.content().to_owned()).collect();
        let last = tokens.last().filter(|token| token.text == "end");
        let last = last.ok_or_else(|| malformed("the theory has no `end`", text.len()))?;
        let body = tokens[begin].offset + "begin".len()..last.offset;
        if body.start > body.end {
            return Err(malformed("the theory has no `end`", text.len()));
        }
        Ok(Self { name: name.content().to_owned(), imports, body })
    }
}

/// A theory with one theorem at its end, cut so that the pieces make the source again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces<'a> {
    /// Comments, `theory`, `imports` and `begin`.
    pub frame: &'a str,
    /// What is defined before the theorem, with the white space around it.
    pub header: &'a str,
    /// The last theorem up to its proof.
    pub statement: &'a str,
    /// From there to the end of its proof, `sorry` included.
    pub proof: &'a str,
    /// The end of the theory.
    pub rest: &'a str,
}

impl<'a> Pieces<'a> {
    /// Cuts a trusted theory. Unlike a candidate's, it may have `sorry` in it.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        let file = TheoryFile::parse(text).ok()?;
        let tokens = lexer::tokenize(text).ok()?;
        let inside: Vec<&Token<'_>> = tokens
            .iter()
            .filter(|token| file.body.contains(&token.offset) && token.kind != TokenKind::Comment)
            .collect();
        let role = |token: &Token<'_>| match token.kind {
            TokenKind::Word | TokenKind::Symbol => super::commands::role(token.text),
            TokenKind::Variable
            | TokenKind::Number
            | TokenKind::Text
            | TokenKind::AltText
            | TokenKind::Cartouche
            | TokenKind::Comment => None,
        };
        let theorem = inside.iter().rposition(|token| role(token) == Some(Role::Theorem))?;
        let proof = theorem + 1 + inside[theorem + 1..].iter().position(|token| role(token).is_some())?;
        let (start, proof, last) = (inside[theorem].offset, inside[proof].offset, inside.last()?);
        let end = last.offset + last.text.len();
        Some(Self {
            frame: &text[..file.body.start],
            header: &text[file.body.start..start],
            statement: &text[start..proof],
            proof: &text[proof..end],
            rest: &text[end..],
        })
    }
}

#[cfg(test)]
#[path = "theory_tests.rs"]
mod tests;
