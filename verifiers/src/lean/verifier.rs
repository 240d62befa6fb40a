//! The Lean verifier: policy before the run, pinned statement during it, evidence after it.

use super::batch::layout::{Item, Layout};
use super::batch::run as batch_run;
use super::batch::tracker::Outcome;
use super::lexer::{self, TokenKind};
use super::policy::{self, Shape};
use super::statement::Statement;
use super::toolchain::Toolchain;
use super::{RULES_VERSION, header};
use crate::candidate::{Candidate, Kind, LeanCandidate};
use crate::nonce;
use crate::scratch::Scratch;
use crate::verdict::{Checker, Judgement, Message, Reason, Severity, Usage, Verdict};
use crate::verifier::{Attempt, Boxed, Lane, Limits, Sink, UnitCost, UnitSize, Verifier};
use proofloop_sandboxes::process::Launcher;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Judges Lean candidates in batches.
pub struct LeanBatch {
    launcher: Launcher,
    toolchain: Toolchain,
    limits: Limits,
    checker: Checker,
    scratch: Scratch,
}

impl LeanBatch {
    /// A verifier over one toolchain.
    #[must_use]
    pub fn new(launcher: Launcher, toolchain: Toolchain, limits: Limits) -> Self {
        let checker = Checker {
            name: "lean-batch".to_owned(),
            version: RULES_VERSION.to_owned(),
            toolchain: toolchain.identity.clone(),
        };
        let scratch = Scratch::new(std::env::temp_dir());
        Self { launcher, toolchain, limits, checker, scratch }
    }

    fn judgement(&self, verdict: Verdict, messages: Vec<Message>) -> Judgement {
        bare(verdict, messages, &self.checker)
    }

    async fn judge_unit(
        &self,
        unit: &[Arc<Candidate>],
        cancel: &CancellationToken,
        sink: Sink<'_>,
    ) -> UnitCost {
        let sources: Vec<Option<Source>> = unit.iter().map(|candidate| Source::of(candidate)).collect();
        let Some(imports) = sources.iter().flatten().next().map(|source| source.imports.clone()) else {
            return UnitCost::default();
        };
        let positions: Vec<usize> = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| source.is_some())
            .map(|(index, _)| index)
            .collect();
        let items: Vec<Item<'_>> = sources.iter().flatten().map(Source::item).collect();
        let nonce = match nonce() {
            Ok(nonce) => nonce,
            Err(error) => {
                let cause = format!("the system gives no random numbers: {error}");
                let judgement = self.judgement(Verdict::Unavailable { cause }, Vec::new());
                positions
                    .into_iter()
                    .for_each(|index| sink(index, Attempt::Judged(Box::new(judgement.clone()))));
                return UnitCost::default();
            }
        };
        let layout = Layout::new(&imports, &items, &nonce, self.toolchain.prints_axioms);
        let mut report = |judged: batch_run::Judged<'_>| {
            let attempt = match judged.outcome {
                Outcome::Again { at_most } => Attempt::Again { at_most },
                Outcome::Judged(verdict, messages) => Attempt::Judged(Box::new(Judgement {
                    usage: judged.usage,
                    protection: judged.protection.to_vec(),
                    ..self.judgement(verdict, messages)
                })),
            };
            sink(positions[judged.index], attempt);
        };
        let place = (&self.launcher, &self.scratch);
        batch_run::run(place, &self.toolchain, &layout, &self.limits, cancel, &mut report).await
    }
}

/// A judgement that no run stands behind.
pub(super) fn bare(verdict: Verdict, messages: Vec<Message>, checker: &Checker) -> Judgement {
    let checker = checker.clone();
    Judgement { verdict, messages, usage: Usage::default(), checker, protection: Vec::new(), cached: false }
}

impl Verifier for LeanBatch {
    fn kind(&self) -> Kind {
        Kind::Lean
    }

    fn checker(&self) -> &Checker {
        &self.checker
    }

    fn policy(&self) -> String {
        super::AXIOM_POLICY.to_owned()
    }

    fn at_once(&self, candidate: &Candidate) -> Option<Judgement> {
        refuse(candidate).map(|(verdict, message)| self.judgement(verdict, vec![message]))
    }

    fn lane(&self, candidate: &Candidate) -> Lane {
        let Some(source) = Source::of(candidate) else { return Lane { key: String::new(), shared: false } };
        let mut key = source.imports.join("\n");
        if !is_scoped(&source.context) {
            key.push('\0');
            key.push_str(&source.context);
        }
        Lane { key, shared: source.shared }
    }

    fn unit_size(&self) -> UnitSize {
        self.toolchain.unit_size
    }

    fn judge<'a>(
        &'a self,
        unit: &'a [Arc<Candidate>],
        cancel: &'a CancellationToken,
        sink: Sink<'a>,
    ) -> Boxed<'a, UnitCost> {
        Box::pin(self.judge_unit(unit, cancel, sink))
    }
}

/// What can be said without a run.
pub(super) fn refuse(candidate: &Candidate) -> Option<(Verdict, Message)> {
    let Candidate::Lean(lean) = candidate else {
        return Some(unavailable("this is no Lean candidate".to_owned()));
    };
    let (before, untrusted, statement) = match lean {
        LeanCandidate::Completion { header, statement, completion } => {
            (full_prefix(header, statement), completion.as_str(), Some(statement))
        }
        LeanCandidate::File { code, statement } => (String::new(), code.as_str(), statement.as_ref()),
    };
    if let Some(Err(error)) = statement.map(|statement| Statement::parse(statement)) {
        return Some(unavailable(format!("the statement can't be pinned: {}", crate::chain(&error))));
    }
    let rejected = |reason, offset: usize, text: String| {
        let (line, column) = place(&before, untrusted, offset);
        (Verdict::Rejected { reason }, Message { severity: Severity::Error, line, column, text })
    };
    match policy::scan(untrusted) {
        Err(open) => Some(rejected(Reason::Malformed, open.offset, format!("unclosed {}", open.what))),
        Ok(scan) => match scan.finding {
            Some(found) => Some(rejected(
                found.reason,
                found.offset,
                format!("`{}` is not allowed in a candidate", found.name),
            )),
            None if matches!(lean, LeanCandidate::File { .. }) && !scan.declares => {
                Some(rejected(Reason::MissingDeclaration, 0, "the file declares nothing".to_owned()))
            }
            None => None,
        },
    }
}

fn unavailable(cause: String) -> (Verdict, Message) {
    let message = Message { severity: Severity::Error, line: None, column: None, text: cause.clone() };
    (Verdict::Unavailable { cause }, message)
}

/// Header and statement as they stand before a completion.
fn full_prefix(header: &str, statement: &str) -> String {
    let newline = if header.is_empty() || header.ends_with('\n') { "" } else { "\n" };
    format!("{header}{newline}{statement}")
}

/// Line (1-based) and column (0-based, code points) of a byte of `text` in `before + text`.
fn place(before: &str, text: &str, offset: usize) -> (Option<u32>, Option<u32>) {
    let up_to: String = [before, text.get(..offset).unwrap_or(text)].concat();
    let line = u32::try_from(up_to.matches('\n').count() + 1).ok();
    let column = up_to.rsplit('\n').next().map(|last| last.chars().count());
    (line, column.and_then(|column| u32::try_from(column).ok()))
}

/// A candidate taken apart for a batch file.
pub(super) struct Source {
    pub(super) imports: Vec<String>,
    context: String,
    statement: Option<Statement>,
    text: String,
    first_own_line: u32,
    shared: bool,
    whole_file: bool,
}

impl Source {
    /// `None` for what [`refuse`] refuses anyway.
    pub(super) fn of(candidate: &Candidate) -> Option<Self> {
        let Candidate::Lean(lean) = candidate else { return None };
        match lean {
            LeanCandidate::Completion { header, statement, completion } => {
                let split = header::split(header).ok()?;
                let lines = full_prefix(header, "").matches('\n').count();
                let pinned = Statement::parse(statement).ok()?;
                let shared = policy::scan(completion).ok()?.shape == Shape::Plain && !pinned.has_attributes;
                Some(Self {
                    context: split.body.trim_matches('\n').to_owned(),
                    statement: Some(pinned),
                    text: format!("{statement}{completion}"),
                    first_own_line: u32::try_from(lines + 1).ok()?,
                    shared,
                    whole_file: false,
                    imports: split.imports,
                })
            }
            LeanCandidate::File { code, statement } => {
                let split = header::split(code).ok()?;
                let lines = split.header.matches('\n').count();
                Some(Self {
                    context: String::new(),
                    statement: statement.as_deref().map(Statement::parse).transpose().ok()?,
                    text: split.body.to_owned(),
                    first_own_line: u32::try_from(lines + 1).ok()?,
                    shared: false,
                    whole_file: true,
                    imports: split.imports,
                })
            }
        }
    }

    pub(super) fn item(&self) -> Item<'_> {
        Item {
            context: &self.context,
            statement: self.statement.as_ref(),
            text: &self.text,
            first_own_line: self.first_own_line,
            whole_file: self.whole_file,
        }
    }
}

/// Words in a trusted context whose effect does not end with the namespace that the context is wrapped in, besides
/// those of [`policy::EXTENDS_LEAN`].
const OUTLIVES_ITS_SCOPE: &[&str] = &[
    "instance",
    "class",
    "deriving",
    "attribute",
    "export",
    "section",
    "namespace",
    "end",
    "universe",
    "set_option",
    "local",
    "scoped",
];

/// Options that end with the namespace they are set in and that nobody else in the file can notice: how much may be
/// spent, and whether names are bound by themselves. Most data sets begin with one of the first two.
const SCOPED_OPTIONS: &[&str] = &["maxHeartbeats", "maxRecDepth", "autoImplicit", "relaxedAutoImplicit"];

/// Whether a context can be wrapped in a namespace and leave nothing behind for others in the file.
/// `universe`, other options and unbalanced sections would be fine in most cases; a lane of their own is cheap.
fn is_scoped(context: &str) -> bool {
    let Ok(tokens) = lexer::code_tokens(context) else { return false };
    let attribute = tokens.windows(2).any(|pair| pair[0].text == "@" && pair[1].text == "[");
    let mutual = tokens.iter().filter(|token| token.text == "mutual").count();
    let ends = tokens.iter().filter(|token| token.text == "end").count();
    // The `end` of a `mutual` block is the only one that belongs to a declaration.
    let outlives = |word: &str| {
        word != "end" && (OUTLIVES_ITS_SCOPE.contains(&word) || policy::EXTENDS_LEAN.contains(&word))
    };
    !attribute
        && mutual == ends
        && !tokens.iter().enumerate().any(|(index, token)| {
            let option = tokens.get(index + 1).map_or("", |next| next.text);
            let scoped = token.text == "set_option" && SCOPED_OPTIONS.contains(&option);
            token.kind == TokenKind::Name && outlives(token.text) && !scoped
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(header: &str, statement: &str, completion: &str) -> Candidate {
        Candidate::Lean(LeanCandidate::Completion {
            header: header.to_owned(),
            statement: statement.to_owned(),
            completion: completion.to_owned(),
        })
    }

    #[test]
    fn a_refusal_names_the_place_in_the_whole_text() {
        let candidate = completion("open Nat", "theorem t : True := by", "\n  simp; sorry");
        let (verdict, message) = refuse(&candidate).expect("refused");
        assert_eq!(verdict, Verdict::Rejected { reason: Reason::Sorry });
        assert_eq!((message.line, message.column), (Some(3), Some(8)));
    }

    #[test]
    fn a_bad_statement_is_not_the_candidates_fault() {
        let candidate = completion("", "def x : Nat :=", " 1");
        assert!(matches!(refuse(&candidate), Some((Verdict::Unavailable { .. }, _))));
    }

    #[test]
    fn a_file_that_declares_nothing_is_not_accepted() {
        let candidate =
            Candidate::Lean(LeanCandidate::File { code: "open Nat\n-- theorem".to_owned(), statement: None });
        let (verdict, _) = refuse(&candidate).expect("refused");
        assert_eq!(verdict, Verdict::Rejected { reason: Reason::MissingDeclaration });
    }

    #[test]
    fn contexts_with_lasting_effects_get_a_lane_of_their_own() {
        assert!(is_scoped("open Nat\nvariable (p q : Prop)\ndef f := 1\nmutual\ndef a := 1\nend"));
        assert!(is_scoped("set_option maxHeartbeats 400000\nopen Nat"));
        for context in [
            "set_option maxHeartbeats 400000\nset_option pp.all true",
            "instance : Inhabited Nat := ⟨0⟩",
            "@[simp] def f := 1",
            "section",
            "notation \"x\" => 1",
            "dsimproc_decl f (_) := fun _ => none",
            "end X",
        ] {
            assert!(!is_scoped(context), "{context}");
        }
    }

    #[test]
    fn own_lines_begin_where_the_statement_begins() {
        let source = Source::of(&completion("import Init\nopen Nat", "theorem t : True := by", "\n  simp"))
            .expect("source");
        assert_eq!((source.first_own_line, source.context.as_str()), (3, "open Nat"));
        assert_eq!(source.imports, ["import Init"]);
        assert!(source.shared);
    }
}
