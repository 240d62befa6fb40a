//! What untrusted Lean text may contain, decided before Lean sees it.
//!
//! Elaborating Lean text can run arbitrary code in the checker's process, and what such a process prints is no
//! evidence of anything. So text that could run code, change the syntax that our own lines are read with, hide
//! messages, or rest on more than the three standard axioms is refused here, by name, without a run. What this
//! tier can't see is listed in SECURITY.md.

use super::lexer::{self, Token, TokenKind, Unclosed};
use crate::verdict::Reason;

/// A reason to refuse, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The class of offence.
    pub reason: Reason,
    /// The offending name as written.
    pub name: String,
    /// Byte offset in the scanned text.
    pub offset: usize,
}

/// Whether a candidate may share a process with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One declaration that can neither end the scope it stands in nor look around in the environment.
    Plain,
    /// Anything else: gets a process of its own.
    Complex,
}

/// What a scan of untrusted text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The first reason to refuse, if there is one.
    pub finding: Option<Finding>,
    /// The first one that is more than a `sorry`: a `sorry` before it must not hide it.
    pub besides_sorry: Option<Finding>,
    /// Whether it may share a process.
    pub shape: Shape,
    /// Whether it declares or states anything (`theorem`, `lemma`, `example`, `def`, `instance`, …).
    pub declares: bool,
}

/// Scans untrusted text.
///
/// # Errors
/// [`Unclosed`] if a comment, string or quoted name is left open: such text would swallow what follows it.
pub fn scan(text: &str) -> Result<Scan, Unclosed> {
    let tokens = lexer::code_tokens(text)?;
    let mut finding = None;
    let mut besides_sorry = None;
    let mut shape = Shape::Plain;
    let mut declares = false;
    for (index, token) in tokens.iter().enumerate() {
        let words = match token.kind {
            TokenKind::Name => vec![token.text.to_owned()],
            // A string may be interpolated (`s! "{…}"`), and whether it is depends on the grammar in force.
            TokenKind::Text => words_of(token.text),
            TokenKind::Number | TokenKind::Symbol | TokenKind::Comment => Vec::new(),
        };
        for word in words {
            let name = unquote(&word);
            declares |= DECLARATIONS.contains(&name.as_str());
            if besides_sorry.is_none()
                && let Some(reason) = offence(&name, &tokens[index + 1..])
            {
                let found = Finding { reason, name: word.clone(), offset: token.offset };
                if reason != Reason::Sorry {
                    besides_sorry = Some(found.clone());
                }
                finding.get_or_insert(found);
            }
            if is_command(&name, &tokens[index + 1..]) || LOOKS_AROUND.contains(&name.as_str()) {
                shape = Shape::Complex;
            }
        }
        let bracket = tokens.get(index + 1).is_some_and(|next| next.text == "[");
        if bracket && matches!(token.text, "@" | "attribute") {
            shape = Shape::Complex;
            if besides_sorry.is_none() {
                besides_sorry = unknown_attribute(&tokens[index + 2..]);
                finding = finding.or_else(|| besides_sorry.clone());
            }
        }
    }
    Ok(Scan { finding, besides_sorry, shape, declares })
}

/// `«sorry»` names the same thing as `sorry`.
fn unquote(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '«' | '»')).collect()
}

fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '#' | '?' | '!' | '\'')))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

const DECLARATIONS: &[&str] =
    &["theorem", "lemma", "example", "def", "abbrev", "instance", "structure", "inductive"];

/// Tactics that search the environment, where they could find the pinned statement or another candidate.
const LOOKS_AROUND: &[&str] =
    &["exact?", "apply?", "rw?", "rewrite?", "have?", "hint", "try?", "observe?", "solve_by_elim", "aesop?"];

/// Words that begin a command. In a completion any of them means more than one declaration.
const COMMANDS: &[&str] = &[
    "theorem",
    "lemma",
    "def",
    "abbrev",
    "instance",
    "axiom",
    "opaque",
    "structure",
    "inductive",
    "coinductive",
    "class",
    "example",
    "namespace",
    "section",
    "end",
    "variable",
    "variables",
    "universe",
    "universes",
    "mutual",
    "export",
    "private",
    "protected",
    "public",
    "noncomputable",
    "partial",
    "unsafe",
    "nonrec",
    "meta",
    "deriving",
    "attribute",
    "local",
    "scoped",
    "include",
    "omit",
    "import",
    "module",
    "prelude",
    "alias",
    "irreducible_def",
    "add_decl_doc",
    "set_option",
    "recommended_spelling",
    "reduce_mod_char",
    "assert_not_exists",
    "suppress_compilation",
];

/// Attributes that only tell tactics and the compiler what a declaration is good for.
const ATTRIBUTES: &[&str] = &[
    "simp",
    "simps",
    "grind",
    "ext",
    "inline",
    "reducible",
    "irreducible",
    "semireducible",
    "specialize",
    "noinline",
    "always_inline",
    "macro_inline",
    "elab_as_elim",
    "instance",
    "default_instance",
    "norm_cast",
    "push_cast",
    "to_additive",
    "mono",
    "gcongr",
    "aesop",
    "match_pattern",
    "induction_eliminator",
    "cases_eliminator",
    "refl",
    "symm",
    "trans",
    "congr",
    "deprecated",
    "coe",
    "positivity",
    "fun_prop",
    "measurability",
    "continuity",
    "bound",
    "nolint",
    "simprocs",
    "class",
    "protected",
    "expose",
];

const SORRY: &[&str] = &["sorry", "admit", "sorryAx", "stop_at_first_error", "proof_wanted"];

const AXIOM: &[&str] = &["axiom", "ofReduceBool", "ofReduceNat", "trustCompiler", "reduceBool", "reduceNat"];

const NATIVE: &[&str] = &["native_decide", "native", "bv_decide", "bv_decide?", "bv_check", "decide_native"];

/// Commands that change Lean itself: its syntax, its elaborators, its simplifier, its start. In a candidate they are
/// refused. In a trusted context they are what they are, but their effect does not end with a namespace.
pub(super) const EXTENDS_LEAN: &[&str] = &[
    "run_cmd",
    "run_elab",
    "run_meta",
    "elab",
    "elab_rules",
    "elab_stx_quot",
    "macro",
    "macro_rules",
    "syntax",
    "declare_syntax_cat",
    "notation",
    "notation3",
    "infix",
    "infixl",
    "infixr",
    "prefix",
    "postfix",
    "simproc",
    "simproc_decl",
    "dsimproc",
    "dsimproc_decl",
    "builtin_simproc",
    "initialize",
    "builtin_initialize",
    "unif_hint",
    "unification_hint",
];

const META: &[&str] = &[
    "meta",
    "command_parser",
    "term_parser",
    "tactic_parser",
    "command_elab",
    "term_elab",
    "run_tac",
    "#eval",
    "#eval!",
    "#exit",
    "#guard_msgs",
    "#guard_msgs_in",
    "init_quot",
    "by_elab",
    "unsafe",
    "implemented_by",
    "extern",
    "csimp",
    "export_name",
    "include_str",
    "dbg_trace",
    "dbgTrace",
    "register_option",
    "register_simp_attr",
    "register_builtin_option",
    "declare_config_elab",
    "declare_simp_like_tactic",
    "unsafeIO",
    "unsafeBaseIO",
    "unsafeEIO",
    "unsafeCast",
    "lcProof",
    "lcUnreachable",
    "lcAny",
    "ptrAddrUnsafe",
    "tactic_extension",
    "deriving_handler",
    "set_library_suggestions",
];

const META_MONADS: &[&str] = &[
    "IO",
    "EIO",
    "BaseIO",
    "MetaM",
    "TacticM",
    "TermElabM",
    "CommandElabM",
    "CoreM",
    "MacroM",
    "SimpM",
    "GrindM",
];

/// Namespaces under `Lean` whose contents are ordinary mathematics and data.
const LEAN_DATA: &[&str] = &["Grind", "Omega", "Order", "RArray"];

fn offence(name: &str, after: &[Token<'_>]) -> Option<Reason> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let mut components = name.trim_start_matches("_root_.").split('.');
    let first = components.next().unwrap_or(name);
    if SORRY.contains(&name) || last == "sorryAx" {
        return Some(Reason::Sorry);
    }
    if AXIOM.contains(&name) || (AXIOM.contains(&last) && last != "axiom") {
        return Some(Reason::Axiom);
    }
    if NATIVE.contains(&name) {
        return Some(Reason::NativeEvaluation);
    }
    // The whole configuration can be given without naming the field: `decide +revert (config := ⟨false, true⟩)`.
    // In `simp (config := { decide := true })` it is a field, and `:=` stands behind it.
    let is_field = after.first().is_some_and(|token| token.text == ":");
    if matches!(last, "decide" | "decide!")
        && !is_field
        && after.iter().take(16).any(|token| unquote(token.text) == "config")
    {
        return Some(Reason::NativeEvaluation);
    }
    let data_of_lean = components.next().is_some_and(|second| LEAN_DATA.contains(&second));
    if META.contains(&name)
        || EXTENDS_LEAN.contains(&name)
        || (last.starts_with("unsafe") && last != name)
        || META_MONADS.contains(&first)
        || (first == "Lean" && !data_of_lean)
        || (name == "open" && after.first().is_some_and(|token| token.text == "private"))
    {
        return Some(Reason::MetaCode);
    }
    if name == "set_option" && after.first().is_some_and(|token| weakens(&unquote(token.text))) {
        return Some(Reason::ForbiddenOption);
    }
    None
}

/// The first attribute of a list (behind its `[`) that is not known to be harmless. Attributes can register parsers,
/// elaborators and compiled code under names that are put together from strings, so only known ones are let through.
fn unknown_attribute(tokens: &[Token<'_>]) -> Option<Finding> {
    let mut depth = 0_usize;
    let mut expects_name = true;
    for token in tokens {
        match token.text {
            "]" if depth == 0 => return None,
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => expects_name = true,
            "local" | "scoped" | "-" | "↓" | "↑" | "←" => {}
            _ if expects_name => {
                if !ATTRIBUTES.contains(&unquote(token.text).as_str()) {
                    let name = token.text.to_owned();
                    return Some(Finding { reason: Reason::MetaCode, name, offset: token.offset });
                }
                expects_name = false;
            }
            _ => {}
        }
    }
    None
}

/// Options under which a checker checks or says less than it should.
fn weakens(option: &str) -> bool {
    [
        "debug",
        "warn",
        "compiler",
        "interpreter",
        "weak",
        "internal",
        "Elab",
        "experimental",
        "bootstrap",
        "doc",
    ]
    .contains(&option.split('.').next().unwrap_or(option))
}

/// Whether the word begins a command here. `open … in` inside a proof is a tactic or term, not a command.
fn is_command(name: &str, after: &[Token<'_>]) -> bool {
    if name == "open" {
        return !after.iter().take(12).any(|token| token.text == "in");
    }
    COMMANDS.contains(&name) || name.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offence_in(text: &str) -> Option<Reason> {
        scan(text).expect("lexes").finding.map(|finding| finding.reason)
    }

    #[test]
    fn offences_by_class() {
        for (text, reason) in [
            ("exact sorry", Reason::Sorry),
            ("exact «sorryAx» _ true", Reason::Sorry),
            ("exact Lean.«sorryAx» _", Reason::Sorry),
            ("axiom cheat : False", Reason::Axiom),
            ("exact Lean.ofReduceBool a b rfl", Reason::Axiom),
            ("native_decide", Reason::NativeEvaluation),
            ("decide +native", Reason::NativeEvaluation),
            ("simp (config := unsafeBaseIO foo)", Reason::MetaCode),
            ("run_tac Lean.logInfo m", Reason::MetaCode),
            ("open Lean Elab in trivial", Reason::MetaCode),
            ("exact s!\"{sorryAx}\"", Reason::Sorry),
            ("exact s!\"{ \"\" ++ sorryAx }\"", Reason::Sorry),
            ("exact s! \"{sorryAx}\"", Reason::Sorry),
            ("iterate 1native_decide", Reason::NativeEvaluation),
            ("iterate 1run_tac x", Reason::MetaCode),
            ("decide (config := ⟨false, true, false, false⟩)", Reason::NativeEvaluation),
            ("set_option doc.verso true in trivial", Reason::ForbiddenOption),
            ("decide +revert (config := ⟨false, true, false, false⟩)", Reason::NativeEvaluation),
            ("trivial\n@[command_parser 100000] def p := 1", Reason::MetaCode),
            ("trivial\n@[simp, tactic foo] def p := 1", Reason::MetaCode),
            ("trivial\nattribute [local extern \"f\"] p", Reason::MetaCode),
            ("trivial\nmeta def p := 1", Reason::MetaCode),
            ("set_option debug.skipKernelTC true in trivial", Reason::ForbiddenOption),
            ("set_option warn.sorry false in trivial", Reason::ForbiddenOption),
        ] {
            assert_eq!(offence_in(text), Some(reason), "{text}");
        }
    }

    #[test]
    fn a_sorry_hides_nothing_that_stands_behind_it() {
        for (text, name) in [
            ("first | sorry | native_decide", Some("native_decide")),
            ("sorry\n#eval 1", Some("#eval")),
            ("sorry\n@[extern \"f\"] def g := 1", Some("extern")),
            ("sorry\nsorry", None),
        ] {
            let scan = scan(text).expect("lexes");
            assert_eq!(scan.finding.map(|finding| finding.reason), Some(Reason::Sorry), "{text}");
            assert_eq!(scan.besides_sorry.map(|finding| finding.name).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn honest_text_is_left_alone() {
        for text in [
            "\n  -- sorry, no better way\n  omega",
            "exact \"proof by cases\"",
            "exact Lean.Grind.foo h.axiom",
            "exact myIO.foo",
            "simp [Nat.add_comm, h.sorry_free]",
            "open Classical in exact em p",
            "simp (config := { decide := true })",
        ] {
            let scan = scan(text).expect("lexes");
            assert_eq!((scan.finding, scan.shape), (None, Shape::Plain), "{text}");
        }
    }

    #[test]
    fn more_than_one_declaration_is_complex() {
        for text in [
            "trivial\ntheorem u : True := trivial",
            "trivial\nend X",
            "trivial\nopen Nat",
            "exact?",
            "trivial\n#check Nat",
            "set_option maxHeartbeats 0 in simp",
            "trivial\n@[simp, local grind =] def f := 1",
        ] {
            assert_eq!(scan(text).expect("lexes").shape, Shape::Complex, "{text}");
        }
    }

    #[test]
    fn open_ends_are_errors() {
        assert!(scan("trivial /- and so on").is_err());
    }
}
