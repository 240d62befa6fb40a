//! What reads Lean text before Lean does.

use super::explore;
use super::mutate::cut;
use crate::common::PATIENT;
use proofloop_verifiers::lean::lexer::tokenize;
use proofloop_verifiers::lean::policy::scan;
use proofloop_verifiers::lean::statement::Statement;
use proofloop_verifiers::lean::{header, lexer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Instant;

const TEXTS: &[&str] = &[
    "import Mathlib\npublic meta import all A.B\n/-! doc -/\nopen Nat in\ntheorem t (n : Nat) (h : n > 0) : n ≠ 0 := by\n  omega\n",
    "module\nprelude\nimport «a b».c -- x\n@[simp] theorem «t t» {α : Type u} [inst : Add α] (x : α := default) : x = x := rfl",
    "theorem s : s!\"{1 + 1}\" = \"2\" := by\n  set_option maxHeartbeats 0 in simp [show (1 : ℕ) + 1 = 2 from rfl]",
    "/- a /- b -/ -/ example : 'a' = '\\'' := by decide -- r#\"x\"#\n#eval r##\"y\"# \"##\nend A",
    "lemma l : ∀ x, (fun x => x + 1) x = x.succ := by intro x; simp only [Nat.add_eq]; sorry",
    "axiom a : False\nnotation3 \"x\" => 1\nelab \"#print\" : command => pure ()\nrun_cmd logInfo m!\"{1}\"",
    "theorem t : 1 = 1 :=",
];

const PIECES: &[&str] = &[
    "/-",
    "-/",
    "--",
    "\"",
    "r#\"",
    "\"#",
    "'",
    "'\\",
    "«",
    "»",
    "(",
    ")",
    "{",
    "⟨",
    ":=",
    ":= by",
    "import ",
    "sorry",
    "\u{0}",
    "\u{feff}",
    "\u{200b}",
    "\r",
    "\n",
    "`",
    "\\",
    "𝒜",
    "‹",
    "s!\"{",
    "}\"",
    "#",
    "@[",
    "attribute [",
    "end",
    "namespace",
    "by",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => select(PIECES).prop_map(str::to_owned), 1 => "\\PC{0,12}"];
    let insert = (any::<u16>(), piece, 1_usize..4);
    (select(TEXTS), vec(insert, 0..8), vec(cut(), 0..3), 1_usize..4).prop_map(
        |(text, inserts, cuts, copies)| {
            let mut text = text.repeat(copies);
            for (at, piece, count) in inserts {
                let mut at = usize::from(at) % (text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                text.insert_str(at, &piece.repeat(count));
            }
            let mut bytes = text.into_bytes();
            cuts.iter().for_each(|cut| cut.apply(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        },
    )
}

/// Imports stand one a line, but for what is in a quoted name.
fn breaks_outside_quotes(import: &str) -> bool {
    let mut quoted = false;
    import.chars().any(|c| {
        quoted = c == '«' || (quoted && c != '»');
        !quoted && matches!(c, '\n' | '\r')
    })
}

#[test]
fn lean_texts() {
    explore(&text(), |text| {
        if let Ok(split) = header::split(&text) {
            assert_eq!(format!("{}{}", split.header, split.body), text);
            assert!(!split.imports.iter().any(|import| breaks_outside_quotes(import)), "{:?}", split.imports);
        }
        // What the lexer reads, the others read, too; what it does not, they refuse.
        let lexes = tokenize(&text).is_ok();
        assert_eq!(lexer::code_tokens(&text).is_ok(), lexes);
        let scanned = scan(&text);
        assert_eq!(scanned.is_ok(), lexes);
        if let Some(finding) = scanned.ok().and_then(|scan| scan.finding) {
            assert!(text.is_char_boundary(finding.offset), "{finding:?}");
        }
        if let Ok(statement) = Statement::parse(&text) {
            assert!(lexes, "{statement:?}");
        }
    });
}

/// Readers whose time grows faster than the text are a way to stop a server with one request.
#[test]
fn long_lean_texts() {
    for piece in PIECES.iter().chain(TEXTS) {
        let text = piece.repeat((256 << 10) / piece.len());
        let started = Instant::now();
        // The answer does not matter here, whatever it is.
        let _any = (header::split(&text), scan(&text), Statement::parse(&text));
        assert!(started.elapsed() < PATIENT, "{piece:?}: {:?}", started.elapsed());
    }
}
