//! Canonical forms: what they must not see, what they must see, and random statements for both.

use proofloop_datasets::rename::{canonical, canonical_hash, equivalent, statement_start};
use proptest::prelude::*;

#[test]
fn the_same_statement_under_other_names() {
    let pairs = [
        ("theorem t (a b : Nat) : a + b = b + a := by", "theorem u (x y : Nat) : x + y = y + x := by"),
        ("theorem t (a b : Nat) : a=b := by", "lemma  t(a  :Nat)\n{- -} (b:Nat) : a = b :="),
        ("theorem t (n : Nat) : n = n", "theorem t : ∀ n : Nat, n = n := by sorry"),
        ("theorem t (n : Nat) : n = n", "theorem t : (n : Nat) → n = n := by"),
        ("theorem t : ∀ x y : Nat, x = y := by", "theorem t : ∀ (x : Nat) (y : Nat), x = y := by"),
        ("theorem t : ∃ x y, x < y := by", "theorem t : ∃ a, ∃ b, a < b := by"),
        ("theorem t : (fun x => x) = id := by", "theorem t : (λ y ↦ y) = id := by"),
        ("theorem t (h : p → q) : p -> q := by", "theorem t (g : a → b) : a → b := by"),
        (
            "theorem t (xs : List α) : xs.reverse.reverse = xs := by",
            "theorem t (l : List β) : l.reverse.reverse = l := by",
        ),
        ("theorem t [Add α] (a : α) : a = a := by", "theorem t [inst : Add β] (b : β) : b = b := by"),
        ("@[simp] theorem t : 1 = 1 := by", "/-- doc -/ private theorem u : 1 = 1 /- x -/ :=  by -- y"),
        ("theorem t.{u} (α : Type u) : True := by", "theorem t.{v} (β : Type v) : True := by"),
        ("theorem t : ∑ i ∈ s, f i = 0 := by", "theorem t : ∑ j in s, f j = 0 := by"),
        (
            "theorem t : {x : Nat | x > 0} = {x | 0 < x} := by",
            "theorem t : {y : Nat | y > 0} = {z | 0 < z} := by",
        ),
        ("theorem t : ∀ x > 0, ∃ y < x, p x y := by", "theorem t : ∀ a > 0, ∃ b < a, p a b := by"),
        (
            "theorem t : (if h : c then f h else 0) = 0 := by",
            "theorem t : (if k : c then f k else 0) = 0 := by",
        ),
        (
            "theorem t (h₀ : 0 < b) : let x := 5; x < b := by",
            "theorem t (h : 0 < b) : let y := 5; y < b := by",
        ),
        ("example (p : Nat × Nat) : p.1 = p.2 := by", "theorem t (q : Nat × Nat) : q.1 = q.2 := by"),
        ("theorem t : (fun ⟨a, b⟩ => a + b) = f := by", "theorem t : (fun ⟨x, y⟩ => x + y) = f := by"),
        (
            "theorem t (f : (n : Nat) → Fin n) : f = f := by",
            "theorem t (g : (k : Nat) → Fin k) : g = g := by",
        ),
    ];
    for (one, other) in pairs {
        let other = other.replace("{- -}", "/- -/");
        assert!(equivalent(one, &other), "\n{one}\n  {}\n{other}\n  {}", canonical(one), canonical(&other));
    }
}

#[test]
fn statements_that_differ() {
    let pairs = [
        ("theorem t (a b : Nat) : a + b = b + a := by", "theorem t (a b : Nat) : a + b = a + b := by"),
        ("theorem t (a b : Nat) : a ≤ b := by", "theorem t (a b : Nat) : b ≤ a := by"),
        ("theorem t (a b : Nat) : a = b := by", "theorem t (a b : Int) : a = b := by"),
        ("theorem t (a : Nat) : a = a := by", "theorem t {a : Nat} : a = a := by"),
        ("theorem t : ∀ x, ∃ y, r x y := by", "theorem t : ∃ y, ∀ x, r x y := by"),
        ("theorem t : ∀ x, ∃ y, r x y := by", "theorem t : ∀ x, ∃ y, r y x := by"),
        ("theorem t : (∀ x, p x) → q := by", "theorem t : ∀ x, (p x → q) := by"),
        ("theorem t (x : Nat) : (fun x => x) x = x := by", "theorem t (x : Nat) : (fun y => x) x = x := by"),
        ("theorem t (x y : Nat) : ∃ x, x = y := by", "theorem t (x y : Nat) : ∃ y, x = y := by"),
        (
            "theorem t (x y : Nat) : (fun x => x, x) = y := by",
            "theorem t (x y : Nat) : (fun x => x, y) = y := by",
        ),
        ("theorem t (h : a = = b) : p := by", "theorem t (h : a == b) : p := by"),
        ("theorem t (xs : Array Nat) : xs[0] = 1 := by", "theorem t (xs : Array Nat) : xs [0] = 1 := by"),
        ("theorem t : \"a b\" = s := by", "theorem t : \"a  b\" = s := by"),
        ("theorem t : sin π = 0 := by", "theorem t : sin x = 0 := by"),
        ("theorem t (h : α = β) : p := by", "theorem t (h : α = α) : p := by"),
        ("theorem t : if c then foo else bar := by", "theorem t : if c then bar else foo := by"),
    ];
    for (one, other) in pairs {
        assert!(!equivalent(one, other), "{one}\n{other}\n{}", canonical(one));
    }
}

#[test]
fn names_of_parameters_and_fields_are_no_variables() {
    assert!(canonical("theorem t (n : Nat) : f (n := n) = g := by").contains("n := %0.0"));
    assert!(canonical("theorem t (symm : P) (h : a = b) : h.symm = (h).symm := by").contains("~. symm"));
    assert_eq!(
        canonical("theorem t (a : A) : p := by simp [a]"),
        canonical("theorem t (a : A) : p := by rfl")
    );
}

#[test]
fn the_start_of_a_statement_is_found() {
    let text = "import A\n-- theorem no\ndef f := 1\n@[simp] private theorem t : f = 1 := by";
    assert_eq!(statement_start(text).map(|start| &text[start..start + 7]), Some("@[simp]"));
    assert_eq!(statement_start("1 = 1"), None);
}

#[test]
fn hostile_text_is_handled_quickly() {
    let deep = 200_000;
    for text in [
        "(".repeat(deep),
        format!("{}{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}{}", "(fun (a : ".repeat(deep), ")".repeat(deep)),
        "∀ ".repeat(3000),
        "∀ x, ".repeat(deep),
        format!("{} x {}", "(a b c : ".repeat(deep), ")→".repeat(deep)),
        "theorem".repeat(deep),
        "theorem t (".repeat(deep),
        "«".repeat(deep),
        "/-".repeat(deep),
        "x.".repeat(deep),
        "if h : ".repeat(deep),
        "{x | ".repeat(deep),
        "\u{0}'\\\"'".repeat(deep),
    ] {
        let length = canonical(&text).len();
        assert!(length <= 300 * text.len(), "{length}");
    }
}

/// A small statement with every variable by number.
#[derive(Debug, Clone)]
enum Term {
    Variable(usize),
    Constant(u8),
    Binary(&'static str, Box<Term>, Box<Term>),
    Quantified(&'static str, usize, Box<Term>),
    Function(usize, Box<Term>),
}

const VARIABLES: usize = 5;

fn terms() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![(0..VARIABLES).prop_map(Term::Variable), any::<u8>().prop_map(Term::Constant)];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        let operators = prop_oneof![Just("+"), Just("="), Just("≤"), Just("∧"), Just("→")];
        let quantifiers = prop_oneof![Just("∀"), Just("∃")];
        prop_oneof![
            (operators, pair).prop_map(|(op, (a, b))| Term::Binary(op, Box::new(a), Box::new(b))),
            (quantifiers, 0..VARIABLES, inner.clone()).prop_map(|(q, v, b)| Term::Quantified(
                q,
                v,
                Box::new(b)
            )),
            (0..VARIABLES, inner).prop_map(|(v, body)| Term::Function(v, Box::new(body))),
        ]
    })
}

fn print(term: &Term, names: &[String]) -> String {
    match term {
        Term::Variable(variable) => names[*variable].clone(),
        Term::Constant(constant) => constant.to_string(),
        Term::Binary(op, a, b) => format!("({} {op} {})", print(a, names), print(b, names)),
        Term::Quantified(quantifier, v, body) => {
            format!("({quantifier} {} : Nat, {})", names[*v], print(body, names))
        }
        Term::Function(v, body) => format!("(fun {} => {})", names[*v], print(body, names)),
    }
}

fn statement(term: &Term, names: &[String]) -> String {
    format!("theorem t ({} : Nat) : {} := by", names.join(" "), print(term, names))
}

/// Exchanges two variables everywhere, binders included, or only where they are used.
fn swap(term: &Term, one: usize, other: usize, binders: bool) -> Term {
    let change = |variable: usize| match variable {
        variable if variable == one => other,
        variable if variable == other => one,
        variable => variable,
    };
    let binder = |variable: usize| if binders { change(variable) } else { variable };
    let inside = |term: &Term| Box::new(swap(term, one, other, binders));
    match term {
        Term::Variable(variable) => Term::Variable(change(*variable)),
        Term::Constant(constant) => Term::Constant(*constant),
        Term::Binary(op, a, b) => Term::Binary(op, inside(a), inside(b)),
        Term::Quantified(quantifier, v, body) => Term::Quantified(quantifier, binder(*v), inside(body)),
        Term::Function(v, body) => Term::Function(binder(*v), inside(body)),
    }
}

fn uses(term: &Term, wanted: usize) -> bool {
    match term {
        Term::Variable(variable) => *variable == wanted,
        Term::Constant(_) => false,
        Term::Binary(_, a, b) => uses(a, wanted) || uses(b, wanted),
        Term::Quantified(_, _, body) | Term::Function(_, body) => uses(body, wanted),
    }
}

fn name_lists() -> impl Strategy<Value = Vec<String>> {
    let name = "[a-z][a-z0-9_']{0,3}|[α-κ]|h₁?|[A-Z][a-z]{1,3}";
    let keyword = |name: &String| {
        !["fun", "let", "have", "if", "then", "else", "in", "with", "by", "Nat", "from"]
            .contains(&name.as_str())
    };
    proptest::collection::hash_set(name.prop_filter("no keyword", keyword), VARIABLES)
        .prop_map(|names| names.into_iter().collect())
}

proptest! {
    #[test]
    fn renaming_keeps_the_hash(term in terms(), one in name_lists(), other in name_lists()) {
        let (one, other) = (statement(&term, &one), statement(&term, &other));
        prop_assert_eq!(canonical_hash(&one), canonical_hash(&other), "\n{}\n{}\n{}", one, other, canonical(&one));
    }

    #[test]
    fn exchanging_two_variables_in_the_conclusion_changes_the_hash(
        term in terms(), names in name_lists(), a in 0..VARIABLES, b in 0..VARIABLES,
    ) {
        let changed = swap(&term, a, b, false);
        // Where one of them is used, the other one is another binder: unless both are bound by the same one, it differs.
        prop_assume!(a != b && (uses(&term, a) || uses(&term, b)));
        prop_assert!(!equivalent(&statement(&term, &names), &statement(&changed, &names)));
    }

    #[test]
    fn exchanging_names_everywhere_keeps_the_hash(
        term in terms(), names in name_lists(), a in 0..VARIABLES, b in 0..VARIABLES,
    ) {
        let mut exchanged = names.clone();
        exchanged.swap(a, b);
        let inner = statement(&term, &names);
        prop_assert!(equivalent(&inner, &statement(&term, &exchanged)));
        // The binders of the theorem keep their order, so that a swap inside is seen whenever it does something.
        let same = swap(&swap(&term, a, b, true), a, b, true);
        prop_assert!(equivalent(&inner, &statement(&same, &names)));
    }

    #[test]
    fn any_text_is_taken(text in "\\PC*") {
        let once = canonical(&text);
        prop_assert_eq!(&once, &canonical(&text));
        prop_assert_eq!(once, canonical(&format!("  {text}\n")));
    }

    #[test]
    fn lean_like_text_is_taken(
        words in proptest::collection::vec(
            prop_oneof![
                Just("theorem"), Just("fun"), Just("∀"), Just("x"), Just("("), Just(")"), Just("{"), Just("}"),
                Just("["), Just("]"), Just(":"), Just(":="), Just(","), Just("=>"), Just("|"), Just("if"),
                Just("then"), Just("else"), Just("match"), Just("with"), Just("."), Just("→"), Just("let"),
                Just("⟨"), Just("⟩"), Just("∈"), Just("/-"), Just("-/"), Just("_"),
            ],
            0..60,
        ),
    ) {
        let text = words.join(" ");
        prop_assert_eq!(canonical(&text), canonical(&text.replace(' ', "\n ")));
    }
}
