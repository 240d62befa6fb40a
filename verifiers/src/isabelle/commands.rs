//! The commands of Isabelle's outer syntax that the distribution has, by what they may do in a candidate.

use crate::verdict::Reason;

/// What a command does to the proof that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// States a theorem.
    Theorem,
    /// Begins something else that must be proved (`function`).
    TheoryGoal,
    /// Another harmless command outside of proofs.
    Theory,
    /// Text for the document, anywhere.
    Document,
    /// Opens one more goal inside a proof.
    Goal,
    /// Ends the proof of one goal.
    Close,
    /// Anything else inside a proof.
    Step,
    /// Only tells something, anywhere.
    Look,
    /// The end of a theory or of a block in it.
    End,
    /// Not for candidates.
    Refused(Reason),
}

const THEOREM: &[&str] = &["theorem", "lemma", "corollary", "proposition"];
const THEORY_GOAL: &[&str] = &["function", "termination"];
const THEORY: &[&str] = &[
    "abbreviation",
    "datatype",
    "definition",
    "fun",
    "inductive",
    "inductive_set",
    "lemmas",
    "primrec",
    "type_synonym",
];
const DOCUMENT: &[&str] =
    &["chapter", "paragraph", "section", "subparagraph", "subsection", "subsubsection", "text", "txt"];
const GOAL: &[&str] =
    &["consider", "guess", "have", "hence", "interpret", "obtain", "show", "subgoal", "thus"];
const CLOSE: &[&str] = &[".", "..", "by", "done", "qed"];
const STEP: &[&str] = &[
    "also",
    "apply",
    "apply_end",
    "assume",
    "back",
    "case",
    "defer",
    "define",
    "finally",
    "fix",
    "from",
    "include",
    "including",
    "let",
    "moreover",
    "next",
    "note",
    "prefer",
    "presume",
    "proof",
    "supply",
    "then",
    "ultimately",
    "unfolding",
    "using",
    "with",
    "write",
    "{",
    "}",
];
const LOOK: &[&str] = &[
    "nitpick",
    "print_cases",
    "print_facts",
    "print_state",
    "prop",
    "quickcheck",
    "sledgehammer",
    "solve_direct",
    "term",
    "thm",
    "try",
    "try0",
    "typ",
];
const SORRY: &[&str] = &["\\<proof>", "sorry"];
const AXIOM: &[&str] = &["ax_specification", "axiomatization", "oracle", "specification"];

/// Commands that run ML, or let what is read later run some, or reach files.
const RUNS_CODE: &[&str] = &[
    "ML",
    "ML_command",
    "ML_export",
    "ML_file",
    "ML_file_debug",
    "ML_file_no_debug",
    "ML_prf",
    "ML_val",
    "ROOTS_file",
    "SML_export",
    "SML_file",
    "SML_file_debug",
    "SML_file_no_debug",
    "SML_import",
    "approximate",
    "attribute_setup",
    "bibtex_file",
    "boogie_file",
    "code_datatype",
    "code_deps",
    "code_identifier",
    "code_monad",
    "code_pred",
    "code_printing",
    "code_reflect",
    "code_reserved",
    "code_thms",
    "compile_generated_files",
    "declaration",
    "export_code",
    "export_files",
    "export_generated_files",
    "external_file",
    "external_files",
    "extract",
    "extract_type",
    "generate_file",
    "import_tptp",
    "initialize_text",
    "local_setup",
    "method",
    "method_setup",
    "mirabelle",
    "parse_ast_translation",
    "parse_translation",
    "print_ast_translation",
    "print_translation",
    "quickcheck_generator",
    "realizability",
    "realizers",
    "refute",
    "scala_build_generated_files",
    "setup",
    "simproc_setup",
    "spark_open",
    "spark_vc",
    "syntax_declaration",
    "text_cartouche",
    "text_raw",
    "typed_print_translation",
    "value",
    "values",
    "values_prolog",
];

/// Commands that change what is read after them, or open blocks that a theory's end would have to match.
const CHANGES_READING: &[&str] = &[
    "adhoc_overloading",
    "alias",
    "atom_decl",
    "bnf",
    "bundle",
    "class",
    "codatatype",
    "coinductive",
    "coinductive_set",
    "consts",
    "context",
    "copy_bnf",
    "corec",
    "corecursive",
    "declare",
    "default_sort",
    "equivariance",
    "experiment",
    "fixrec",
    "free_constructors",
    "functor",
    "global_interpretation",
    "hide_class",
    "hide_const",
    "hide_fact",
    "hide_type",
    "instance",
    "instantiation",
    "interpretation",
    "judgment",
    "lift_bnf",
    "lift_definition",
    "lifting_forget",
    "lifting_update",
    "locale",
    "named_theorems",
    "no_adhoc_overloading",
    "no_notation",
    "no_syntax",
    "no_translations",
    "no_type_notation",
    "nominal_datatype",
    "nominal_inductive",
    "nonterminal",
    "notation",
    "notepad",
    "old_rep_datatype",
    "open_bundle",
    "overloading",
    "partial_function",
    "print_commands",
    "private",
    "qualified",
    "quotient_definition",
    "quotient_type",
    "record",
    "rep_datatype",
    "schematic_goal",
    "setup_lifting",
    "statespace",
    "subclass",
    "sublocale",
    "syntax",
    "syntax_consts",
    "syntax_types",
    "theory",
    "translations",
    "type_alias",
    "type_notation",
    "typedecl",
    "typedef",
    "unbundle",
];

/// Commands that print what only our own lines may ask for, or that search and take their time.
const ASKS: &[&str] = &[
    "class_deps",
    "find_consts",
    "find_theorems",
    "find_unused_assms",
    "full_prf",
    "help",
    "locale_deps",
    "nitpick_params",
    "prf",
    "print_ML_antiquotations",
    "print_abbrevs",
    "print_antiquotations",
    "print_attributes",
    "print_bundles",
    "print_classes",
    "print_codeproc",
    "print_codesetup",
    "print_context",
    "print_context_tracing",
    "print_defn_rules",
    "print_definitions",
    "print_interps",
    "print_locale",
    "print_locales",
    "print_methods",
    "print_options",
    "print_rules",
    "print_simpset",
    "print_statement",
    "print_syntax",
    "print_term_bindings",
    "print_theorems",
    "print_theory",
    "print_trans_rules",
    "quickcheck_params",
    "sledgehammer_params",
    "smt_status",
    "test_code",
    "thm_deps",
    "thm_oracles",
    "thy_deps",
    "unused_thms",
    "welcome",
];

/// What the word is, if it is a command that we know.
#[must_use]
pub fn role(word: &str) -> Option<Role> {
    let table: [(&[&str], Role); 12] = [
        (CLOSE, Role::Close),
        (STEP, Role::Step),
        (GOAL, Role::Goal),
        (THEOREM, Role::Theorem),
        (THEORY_GOAL, Role::TheoryGoal),
        (THEORY, Role::Theory),
        (DOCUMENT, Role::Document),
        (LOOK, Role::Look),
        (SORRY, Role::Refused(Reason::Sorry)),
        (AXIOM, Role::Refused(Reason::Axiom)),
        (RUNS_CODE, Role::Refused(Reason::MetaCode)),
        (&["oops"], Role::Refused(Reason::MissingDeclaration)),
    ];
    let found = table.into_iter().find(|(words, _)| words.contains(&word)).map(|(_, role)| role);
    found.or_else(|| match word {
        "end" => Some(Role::End),
        _ if CHANGES_READING.contains(&word) => Some(Role::Refused(Reason::StatementMismatch)),
        _ if ASKS.contains(&word) => Some(Role::Refused(Reason::MetaCode)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_stands_in_two_lists() {
        let lists = [
            THEOREM,
            THEORY_GOAL,
            THEORY,
            DOCUMENT,
            GOAL,
            CLOSE,
            STEP,
            LOOK,
            SORRY,
            AXIOM,
            RUNS_CODE,
            CHANGES_READING,
            ASKS,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for word in lists.into_iter().flatten() {
            assert!(seen.insert(word), "{word} stands in two lists");
            assert!(role(word).is_some());
        }
    }
}
