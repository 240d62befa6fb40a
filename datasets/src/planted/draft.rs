//! A task before it has tests: the words, the program, and how one can get it wrong.

use super::inputs::Input;
use super::rng::Rng;

/// A task as a family draws it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) name: String,
    /// The docstring.
    pub(super) doc: String,
    pub(super) parameters: Vec<(&'static str, Input)>,
    /// The body, its outermost lines without indentation.
    pub(super) solution: String,
    /// What the docstring allows as well and the tests do not; none for a task whose docstring says all.
    pub(super) others: Vec<Wrong>,
    /// Programs that are wrong whatever was meant.
    pub(super) slips: Vec<Wrong>,
    /// Whether words may have capitals.
    pub(super) cased: bool,
}

/// A body that is not the solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) kind: &'static str,
    pub(super) body: String,
    pub(super) explanation: String,
}

/// A change that makes a right program wrong.
#[derive(Debug, Clone)]
pub(super) struct Slip {
    pub(super) kind: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) explanation: String,
}

/// The kinds of bugs.
pub(super) mod kind {
    /// Another choice where the docstring leaves one.
    pub(in crate::planted) const CONVENTION: &str = "convention";
    pub(in crate::planted) const COMPARISON: &str = "comparison";
    pub(in crate::planted) const OFF_BY_ONE: &str = "off-by-one";
    pub(in crate::planted) const OPERATOR: &str = "operator";
    pub(in crate::planted) const VARIABLE: &str = "variable";
    pub(in crate::planted) const NO_BASE_CASE: &str = "base-case";
    /// `max` for `min`, `first` for `last`, `sum` for `max`.
    pub(in crate::planted) const FUNCTION: &str = "function";
    pub(in crate::planted) const NO_FILTER: &str = "no-filter";
    pub(in crate::planted) const NO_MAP: &str = "no-map";
    pub(in crate::planted) const ORDER: &str = "order";
    pub(in crate::planted) const INITIAL: &str = "initial";
    pub(in crate::planted) const ARGUMENTS: &str = "arguments";
    /// All of them.
    #[cfg(test)]
    pub(in crate::planted) const ALL: [&str; 12] = [
        CONVENTION,
        COMPARISON,
        OFF_BY_ONE,
        OPERATOR,
        VARIABLE,
        NO_BASE_CASE,
        FUNCTION,
        NO_FILTER,
        NO_MAP,
        ORDER,
        INITIAL,
        ARGUMENTS,
    ];
}

impl Slip {
    pub(super) fn new(kind: &'static str, from: &str, to: &str, explanation: &str) -> Self {
        Self { kind, from: from.to_owned(), to: to.to_owned(), explanation: explanation.to_owned() }
    }

    /// The usual words: what stands there, and what must.
    pub(super) fn plain(kind: &'static str, from: &str, to: &str) -> Self {
        Self::new(kind, from, to, &format!("It has {}; it must have {}.", to.trim(), from.trim()))
    }
}

impl Draft {
    /// A task whose docstring says all.
    pub(super) fn closed(
        name: String,
        doc: String,
        parameters: &[(&'static str, Input)],
        solution: String,
    ) -> Self {
        let (parameters, others, slips) = (parameters.to_vec(), Vec::new(), Vec::new());
        Self { name, doc, parameters, solution, others, slips, cased: false }
    }

    /// Makes it a task that leaves something open: `@` in the solution stands for one of the choices, which is drawn.
    /// Each choice is its code and what is said of it in `words`, where `{wrong}` and `{right}` stand for them.
    pub(super) fn open<C: AsRef<str>, W: AsRef<str>>(
        mut self,
        rng: &mut Rng,
        words: &str,
        choices: &[(C, W)],
    ) -> Self {
        let right = rng.below(choices.len());
        let template = std::mem::take(&mut self.solution);
        for (at, (code, said)) in choices.iter().enumerate() {
            let body = template.replace('@', code.as_ref());
            if at == right {
                self.solution = body;
            } else {
                let explanation =
                    words.replace("{wrong}", said.as_ref()).replace("{right}", choices[right].1.as_ref());
                self.others.push(Wrong { kind: kind::CONVENTION, body, explanation });
            }
        }
        self
    }

    /// Adds what goes wrong where the change can be made.
    pub(super) fn slips(mut self, slips: impl IntoIterator<Item = Slip>) -> Self {
        for Slip { kind, from, to, explanation } in slips {
            let body = self.solution.replacen(&from, &to, 1);
            if !from.is_empty() && body != self.solution {
                self.slips.push(Wrong { kind, body, explanation });
            }
        }
        self
    }

    /// Adds one change with words of its own.
    pub(super) fn slip(self, kind: &'static str, from: &str, to: &str, explanation: &str) -> Self {
        self.slips([Slip::new(kind, from, to, explanation)])
    }

    /// Adds the bug of who does not think of the empty list: what stands from `guard` to the end of its line, or to the
    /// parenthesis that closes it, is not there. It ends with what the empty list must give.
    pub(super) fn unguarded(self, guard: &str) -> Self {
        let Some(start) = self.solution.find(guard) else { return self };
        let rest = self.solution[start..].lines().next().unwrap_or_default();
        let rest = if guard.starts_with(',') { rest.trim_end_matches(')') } else { rest }.to_owned();
        let right = rest[guard.len()..].trim();
        let words = format!("It fails if there is none; it must give {right}.");
        self.slip(kind::NO_BASE_CASE, &rest, "", &words)
    }

    /// Adds one change with the usual words.
    pub(super) fn plain(self, kind: &'static str, from: &str, to: &str) -> Self {
        self.slips([Slip::plain(kind, from, to)])
    }

    pub(super) fn cased(self) -> Self {
        Self { cased: true, ..self }
    }
}
