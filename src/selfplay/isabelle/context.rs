//! What stands before a theorem: one text in the store, two fields of a problem and of a candidate.

use proofloop_datasets::IsabelleProblem;
use proofloop_verifiers::isabelle::theory::import_list;

/// Imports and definitions of the theory that a statement belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Theories to import, without quotation marks.
    pub imports: Vec<String>,
    /// Behind `begin`; mostly empty.
    pub definitions: String,
}

impl Context {
    /// A problem's.
    #[must_use]
    pub fn of(problem: &IsabelleProblem) -> Self {
        Self { imports: problem.imports.clone(), definitions: problem.header.trim().to_owned() }
    }

    /// As a theory has it, from `imports` on: `imports Main "HOL-Library.Multiset"`, `begin`, the definitions.
    #[must_use]
    pub fn text(&self) -> String {
        let line_break = if self.definitions.is_empty() { "" } else { "\n" };
        format!("imports {}\nbegin\n{}{line_break}", import_list(&self.imports), self.definitions)
    }

    /// Reads what [`text`](Self::text) has written, and the like; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.trim_start().strip_prefix("imports")?;
        let (imports, definitions) = rest.split_once("\nbegin")?;
        let goes_on = |text: &str| text.starts_with(|next: char| !next.is_whitespace());
        if goes_on(imports) || goes_on(definitions) {
            return None;
        }
        let imports: Vec<String> =
            imports.split_whitespace().map(|name| name.trim_matches('"').to_owned()).collect();
        (!imports.is_empty()).then(|| Self { imports, definitions: definitions.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_reads_as_the_beginning_of_a_theory() {
        let context = Context {
            imports: vec!["Complex_Main".to_owned(), "HOL-Library.Multiset".to_owned()],
            definitions: "definition one :: nat where \"one = 1\"".to_owned(),
        };
        insta::assert_snapshot!(context.text(), @r#"
        imports Complex_Main "HOL-Library.Multiset"
        begin
        definition one :: nat where "one = 1"
        "#);
        assert_eq!(Context::parse(&context.text()), Some(context));
        for text in ["", "open Nat", "imports\nbegin\n", "importsMain\nbegin\n", "imports Main\nbeginning\n"]
        {
            assert_eq!(Context::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            imports in proptest::collection::vec("[A-Z][A-Za-z_]{0,8}([-.][A-Z][a-z]{0,5}){0,2}", 1..4),
            definitions in "([a-z]([a-z \"=:\n]{0,30}[a-z\"])?)?",
        ) {
            let context = Context { imports, definitions };
            prop_assert_eq!(Context::parse(&context.text()), Some(context));
        }
    }
}
