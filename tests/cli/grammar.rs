//! A probabilistic grammar whose entropy is known.
//!
//! ```text
//! E(d) → atom | " (" E(d + 1) " " op E(d + 1) " )"     each with probability 1/2; at depth 3 always an atom
//! ```
//!
//! Atoms are 20 words of equal probability, operators have 1/2, 1/4, 1/8 and 1/8. A string can be read in one way only, so
//! its entropy is that of the choices; a model that knows the grammar has this loss in all, whatever its tokens are.

const ATOMS: [&str; 20] = [
    "amber", "birch", "cedar", "delta", "ember", "frost", "grove", "heron", "ivory", "jade", "kelp", "larch",
    "maple", "north", "ocean", "pearl", "quartz", "river", "slate", "thorn",
];
const OPERATORS: [(&str, u64); 4] = [("plus", 4), ("minus", 2), ("times", 1), ("over", 1)];
const DEEPEST: usize = 3;

/// Random numbers of the test's own: a linear congruential generator's high bits.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) * bound) >> 31
    }
}

pub(crate) fn expression(random: &mut Random, depth: usize) -> String {
    if depth == DEEPEST || random.below(2) == 0 {
        return format!(" {}", ATOMS[random.below(20) as usize]);
    }
    let mut left = random.below(8);
    let operator = OPERATORS.iter().find(|(_, weight)| {
        let is_it = left < *weight;
        left = left.saturating_sub(*weight);
        is_it
    });
    let operator = operator.expect("weights sum to 8").0;
    format!(" ({} {operator}{} )", expression(random, depth + 1), expression(random, depth + 1))
}

/// In nats for each string.
pub(crate) fn entropy(depth: usize) -> f64 {
    let atom = 20_f64.ln();
    if depth == DEEPEST {
        return atom;
    }
    let operator: f64 = OPERATORS.iter().map(|&(_, weight)| weight as f64 / 8.0).map(|p| -p * p.ln()).sum();
    2_f64.ln() + 0.5 * atom + 0.5 * (2.0 * entropy(depth + 1) + operator)
}

/// Whether the whole text is an expression.
pub(crate) fn is_expression(text: &str) -> bool {
    rest_behind(text, 0) == Some("")
}

fn rest_behind(text: &str, depth: usize) -> Option<&str> {
    if let Some(inside) = text.strip_prefix(" (") {
        let behind = rest_behind(inside, depth + 1).filter(|_| depth < DEEPEST)?;
        let operator = OPERATORS.iter().find_map(|(name, _)| behind.strip_prefix(' ')?.strip_prefix(name))?;
        return rest_behind(operator, depth + 1)?.strip_prefix(" )");
    }
    let word = text.strip_prefix(' ')?;
    ATOMS.iter().find_map(|atom| word.strip_prefix(atom))
}

#[test]
fn expressions_are_told_from_other_texts() {
    let mut random = Random(3);
    let texts: Vec<_> = (0..200).map(|_| expression(&mut random, 0)).collect();
    assert!(texts.iter().all(|text| is_expression(text)), "{texts:?}");
    assert!(texts.iter().any(|text| text.matches('(').count() > 3));
    let wrong = ["", " ", " amber amber", " ( amber plus birch", " ( amber and birch )", "amber", " amber "];
    assert!(!wrong.iter().any(|text| is_expression(text)));
    let four_deep = " ( ( ( ( amber plus birch ) plus birch ) plus birch ) plus birch )";
    assert!(!is_expression(four_deep));
}
