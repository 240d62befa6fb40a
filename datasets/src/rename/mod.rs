//! Equality of Lean statements up to renaming (α-equivalence), as far as text can tell.
//!
//! [`canonical`] rewrites a statement so that two statements which differ only in the theorem's name, white space,
//! comments, attributes, and the names of bound variables and hypotheses become the same text. Besides, these
//! spellings become one: `(a b : T)` and `(a : T) (b : T)`; `∀ x y, p` and `∀ x, ∀ y, p` (also ∃, `fun` and big
//! operators); binders before the colon and leading `∀`s after it; `(x : T) → p` and `∀ x : T, p`; `λ` and `fun`,
//! `->` and `→`, `↦` and `=>` and other ASCII spellings; `:=`, `:= by` and `:= by sorry` at the end.
//!
//! What counts as bound: the theorem's binders `(x y : T)`, `{x : T}`, `⦃x : T⦄`, `[inst : T]`, its universe names;
//! `∀`, `∃`, `∃!`, `Σ`, `Π`, `fun`, `λ`, big operators (`∑ x ∈ s, …` and relatives), dependent arrows, set-builder
//! and subtype braces, `let`, `have`, `if h : …`; and free one-letter names as Lean's automatic implicit variables
//! take them (`α`, `n₁`), numbered by first use. Scopes go right, to the end of the enclosing brackets or the next
//! comma of the same level.
//!
//! # Limits
//! It is a reading of text, not of types. Two statements that Lean takes for equal may get different forms: order of
//! hypotheses, `p → q` against `(h : p) : q`, notation against its expansion, redundant parentheses, `variable`s
//! declared in the header, variables of `match` patterns and of `{f x | x ∈ s}` (they keep their names). The other
//! way round, the same form for statements that differ, needs text that stands for different things in different
//! headers (notation, `open`), an inner name that Lean binds and we do not know of, or `variable`s of one letter:
//! compare only statements under the same header.

mod canon;
mod lex;
mod parts;
mod words;

pub use parts::{conclusion, is_disjunction, proof_start, theorem_starts, without_name};
pub use words::{Word, words};

use std::fmt;

/// Hash of the canonical form (blake3, 32 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanonicalHash([u8; 32]);

impl CanonicalHash {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CanonicalHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The canonical form of a statement (or of a bare proposition). It is meant for comparing and for reading by people,
/// and is no Lean. Never fails: text that is no Lean comes back token by token.
#[must_use]
pub fn canonical(statement: &str) -> String {
    canon::canonical(&lex::lex(statement))
}

/// The hash of [`canonical`].
#[must_use]
pub fn canonical_hash(statement: &str) -> CanonicalHash {
    CanonicalHash(*blake3::hash(canonical(statement).as_bytes()).as_bytes())
}

/// Whether two statements are the same up to renaming.
#[must_use]
pub fn equivalent(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// Byte offset of the last `theorem`, `lemma` or `example` that stands outside of brackets and comments, together
/// with the attributes and modifiers before it; `None` if there is none.
#[must_use]
pub fn statement_start(text: &str) -> Option<usize> {
    let tokens = lex::lex(text);
    let keyword = canon::declaration(&tokens)?;
    Some(tokens[canon::modifiers_start(&tokens, keyword)].start)
}
