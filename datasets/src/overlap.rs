//! Whether two sets of problems share problems, or long pieces of them: contamination.
//!
//! Compared is what is asked, not who asks it: names, words, known solutions and splits stay out, and so do imports and
//! options. For Lean: the statement without its name, together with the definitions in the header, if there are any.
//! For Isabelle: the statement without its name. For Python: the question, which is the prompt, or the words and the
//! tests. Python and Isabelle are compared word by word as they stand; only for Lean are bound variables renamed.
//!
//! The work is linear in the texts, apart from the pairs that are found: everything goes by hash.

use crate::problem::{Kind, LeanGaps, LeanProblem, Parts, Problem, PythonProblem};
use crate::rename::{self, Word};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};

/// The length of pieces, in tokens, at which a match is worth a look. Formal statements share far longer pieces than prose
/// by chance: of miniF2F's 488, a third share 13 tokens with Lean Workbook, and ten share 30.
pub const DEFAULT_NGRAM: usize = 30;

/// Two problems share pieces by chance where they begin with the same hypotheses (that a relation is transitive is thirty
/// tokens). So the shared pieces must be this part of the pieces of the one that has fewer, in percent.
pub const DEFAULT_SHARE: usize = 80;

/// What counts as a shared piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The length of pieces in tokens; 0 looks for none.
    pub ngram: usize,
    /// The least part of the pieces of one problem that must be shared, in percent; 0 reports a single one.
    pub share: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ngram: DEFAULT_NGRAM, share: DEFAULT_SHARE }
    }
}

/// A piece that stands in more problems than this of the second set is boilerplate, and no sign of anything.
const MAX_HOLDERS: usize = 500;

/// How two problems overlap; the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Letter by letter, but for the name.
    Exact,
    /// Up to white space, comments, spelling of symbols, and the names of bound variables (Lean).
    Equivalent,
    /// They share pieces of the asked length.
    Pieces {
        /// How many different ones.
        shared: usize,
        /// How many the problem has that has fewer.
        of: usize,
    },
}

impl How {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Equivalent => "equivalent",
            Self::Pieces { .. } => "n-gram",
        }
    }
}

/// Two problems that overlap, by their places in the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// In the first set.
    pub first: usize,
    /// In the second set.
    pub second: usize,
    /// How.
    pub how: How,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap {
    /// In the order of the first set, then of the second.
    pub pairs: Vec<Pair>,
    /// Pieces of the first set that are boilerplate in the second, and were passed over.
    pub boilerplate: usize,
}

/// Compares every problem of one set with every problem of another.
#[must_use]
pub fn find(first: &[Problem], second: &[Problem], settings: Settings) -> Overlap {
    let index = Index::new(second, settings.ngram);
    let mut overlap = Overlap::default();
    for (at, problem) in first.iter().enumerate() {
        let subject = Subject::of(problem);
        let mut found: BTreeMap<usize, How> = BTreeMap::new();
        let mut add = |places: Option<&Vec<usize>>, how: How| {
            for place in places.into_iter().flatten() {
                found.entry(*place).or_insert(how);
            }
        };
        add(index.exact.get(&subject.exact), How::Exact);
        add(index.equivalent.get(&subject.equivalent), How::Equivalent);
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        let pieces = subject.pieces(settings.ngram);
        for piece in &pieces {
            match index.pieces.get(piece) {
                Some(places) if places.len() > MAX_HOLDERS => overlap.boilerplate += 1,
                Some(places) => places.iter().for_each(|place| *shared.entry(*place).or_default() += 1),
                None => {}
            }
        }
        for (place, shared) in shared {
            let of = pieces.len().min(index.sizes[place]);
            if shared * 100 >= of * settings.share {
                found.entry(place).or_insert(How::Pieces { shared, of });
            }
        }
        overlap.pairs.extend(found.into_iter().map(|(place, how)| Pair { first: at, second: place, how }));
    }
    overlap
}

/// The second set by what is compared.
struct Index {
    exact: HashMap<[u8; 32], Vec<usize>>,
    equivalent: HashMap<[u8; 32], Vec<usize>>,
    pieces: HashMap<u64, Vec<usize>>,
    /// How many pieces each problem has.
    sizes: Vec<usize>,
}

impl Index {
    fn new(problems: &[Problem], ngram: usize) -> Self {
        let mut index = Self {
            exact: HashMap::new(),
            equivalent: HashMap::new(),
            pieces: HashMap::new(),
            sizes: Vec::new(),
        };
        for (at, problem) in problems.iter().enumerate() {
            let subject = Subject::of(problem);
            index.exact.entry(subject.exact).or_default().push(at);
            index.equivalent.entry(subject.equivalent).or_default().push(at);
            let pieces = subject.pieces(ngram);
            index.sizes.push(pieces.len());
            for piece in pieces {
                let holders = index.pieces.entry(piece).or_default();
                // One more than counts, so that it is known for boilerplate.
                if holders.len() <= MAX_HOLDERS {
                    holders.push(at);
                }
            }
        }
        index
    }
}

/// What is compared of a problem.
struct Subject<'p> {
    exact: [u8; 32],
    equivalent: [u8; 32],
    words: Vec<Word<'p>>,
    /// Pieces of different languages are never alike.
    language: &'static str,
}

impl<'p> Subject<'p> {
    fn of(problem: &'p Problem) -> Self {
        match &problem.kind {
            Kind::Lean(LeanProblem { header, statement }) => Self::lean(&[header], statement),
            Kind::LeanGaps(LeanGaps { header, text }) => {
                let theorem = rename::theorem_starts(text).last().copied().unwrap_or(text.len());
                let (before, theorem) = text.split_at(theorem);
                Self::lean(&[header, before], theorem)
            }
            Kind::Isabelle(isabelle) => {
                let statement = isabelle.statement.as_str();
                let unnamed = statement.split_once(':').map_or(statement, |(_, rest)| rest);
                Self::plain("isabelle", &[&isabelle.header, unnamed], "")
            }
            Kind::Python(PythonProblem::HumanEval { prompt, entry_point, .. })
            | Kind::Python(PythonProblem::InputsAndOracle { prompt, entry_point, .. })
            | Kind::Python(PythonProblem::Function { prompt, entry_point, .. }) => {
                Self::plain("python", &[prompt], entry_point)
            }
            Kind::Python(PythonProblem::Asserts { tests, .. }) => {
                let texts: Vec<&str> =
                    [problem.informal.as_str()].into_iter().chain(tests.iter().map(String::as_str)).collect();
                Self::plain("python", &texts, "")
            }
            Kind::Python(PythonProblem::StdinStdout { .. } | PythonProblem::Calls { .. }) => {
                Self::plain("python", &[&problem.informal], "")
            }
        }
    }

    fn lean(headers: &[&'p str], statement: &'p str) -> Self {
        let definitions: Vec<&str> = headers.iter().flat_map(|header| definitions(header)).collect();
        let mut words: Vec<Word<'p>> = definitions.iter().flat_map(|line| plain_words(line, "")).collect();
        let canonical = rename::canonical(statement);
        let mut equivalent = Parts::new("proofloop-overlap-lean");
        equivalent.texts(&words.iter().map(|word| text_of(word)).collect::<Vec<_>>());
        equivalent.texts(&["", &canonical]);
        let mut exact = Parts::new("proofloop-overlap-lean-exact");
        exact.texts(&definitions);
        exact.texts(&["", &rename::without_name(statement).0]);
        words.extend(rename::words(statement));
        Self { exact: exact.finish(), equivalent: equivalent.finish(), words, language: "lean" }
    }

    /// Text that is compared as it stands, but for one name.
    fn plain(language: &'static str, texts: &[&'p str], name: &str) -> Self {
        let words: Vec<Word<'p>> = texts.iter().flat_map(|text| plain_words(text, name)).collect();
        let mut exact = Parts::new(language);
        exact.texts(texts);
        let mut equivalent = Parts::new("proofloop-overlap-words");
        equivalent.texts(&[language]);
        equivalent.texts(&words.iter().map(|word| text_of(word)).collect::<Vec<_>>());
        Self { exact: exact.finish(), equivalent: equivalent.finish(), words, language }
    }

    /// The hashes of all pieces of `length` words. Bound names are numbered within each piece, so that a piece is the same
    /// whatever they are called and whatever was bound before it.
    fn pieces(&self, length: usize) -> HashSet<u64> {
        if length == 0 {
            return HashSet::new();
        }
        let piece = |words: &[Word<'_>]| {
            let mut hasher = DefaultHasher::new();
            self.language.hash(&mut hasher);
            let mut numbers: HashMap<&str, usize> = HashMap::new();
            for word in words {
                match word {
                    Word::Plain(text) => (0_u8, text).hash(&mut hasher),
                    Word::Bound(name, rest) => {
                        let next = numbers.len();
                        (1_u8, numbers.entry(name).or_insert(next), rest).hash(&mut hasher);
                    }
                }
            }
            hasher.finish()
        };
        self.words.windows(length).map(piece).collect()
    }
}

fn text_of<'w>(word: &Word<'w>) -> &'w str {
    match word {
        Word::Plain(text) | Word::Bound(text, _) => text,
    }
}

/// The lines of a header that define something: not imports, options and the opening of name spaces.
fn definitions(header: &str) -> impl Iterator<Item = &str> {
    const FRAME: [&str; 11] = [
        "import",
        "public",
        "open",
        "set_option",
        "universe",
        "module",
        "namespace",
        "section",
        "end",
        "noncomputable",
        "meta",
    ];
    let is_frame = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default();
        FRAME.contains(&first)
            && (!matches!(first, "noncomputable" | "public" | "meta")
                || matches!(second, "section" | "import" | "meta"))
    };
    let is_text = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
    header.lines().filter(move |line| is_text(line) && !is_frame(line))
}

/// Identifiers, numbers and single symbols. `name`, which a data set chose, is one that is bound.
fn plain_words<'t>(text: &'t str, name: &str) -> Vec<Word<'t>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length =
            if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let word = &rest[..length];
        words.push(if !name.is_empty() && word == name { Word::Plain("_") } else { Word::Plain(word) });
        rest = rest[length..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{IsabelleProblem, Metadata, Split};

    fn problem(kind: Kind) -> Problem {
        Problem {
            name: "p".to_owned(),
            split: Split::Test,
            source: String::new(),
            kind,
            known: None,
            informal: String::new(),
            metadata: Metadata::default(),
        }
    }

    fn lean(header: &str, statement: &str) -> Problem {
        problem(Kind::Lean(LeanProblem { header: header.to_owned(), statement: statement.to_owned() }))
    }

    fn how(one: &Problem, other: &Problem, ngram: usize) -> Option<How> {
        let both = |one: &Problem, other: &Problem| {
            find(std::slice::from_ref(one), std::slice::from_ref(other), Settings { ngram, share: 0 })
                .pairs
                .first()
                .map(|pair| pair.how)
        };
        assert_eq!(both(one, other), both(other, one), "the order of the sets decides");
        both(one, other)
    }

    #[test]
    fn lean_statements_are_compared_without_names_and_imports() {
        let base = lean("import Mathlib\nopen Nat\n", "theorem a (n : Nat) : n + 0 = n := by\n");
        for (other, expected) in [
            (lean("", "theorem b (n : Nat) : n + 0 = n :="), Some(How::Exact)),
            (lean("", "lemma b (m : Nat) : m+0 = m := by sorry"), Some(How::Equivalent)),
            (lean("", "theorem b : ∀ m : Nat, m + 0 = m := by"), Some(How::Equivalent)),
            (lean("def n := 1\n", "theorem b (n : Nat) : n + 0 = n := by"), None),
            (lean("", "theorem b (n : Nat) : 0 + n = n := by"), None),
            (lean("", "theorem b (n : Int) : n + 0 = n := by"), None),
        ] {
            assert_eq!(how(&base, &other, 30), expected, "{other:?}");
        }
    }

    #[test]
    fn the_same_theorem_about_other_definitions_is_another() {
        let spec = "theorem spec (x : Int) : post x (solve x) := by";
        let one = lean("open Std\ndef solve (x : Int) := x + 1\n", spec);
        let other = lean("def solve (x : Int) := x + 2\n", spec);
        assert_eq!(how(&one, &other, 0), None);
        assert_eq!(how(&one, &lean("def solve (x : Int) := x + 1", spec), 0), Some(How::Exact));
        let gaps = |header: &str| {
            let text = format!("def solve (x : Int) : Int := sorry\n\n{spec}\n  sorry\n");
            problem(Kind::LeanGaps(LeanGaps { header: header.to_owned(), text }))
        };
        assert_eq!(how(&gaps("def post := a"), &gaps("def post := b"), 0), None);
        assert_eq!(how(&gaps("def post := a"), &gaps("def post := a"), 0), Some(How::Exact));
    }

    #[test]
    fn pieces_are_found_under_other_names_and_in_other_places() {
        let one = lean("", "theorem a (x y : Nat) (h : x < y) : x * x + 2 * x * y + y * y < 4 * y * y := by");
        let other = lean(
            "",
            "theorem b (k : Int) (u v : Nat) (g : u < v) (z : 0 < k) : u * u + 2 * u * v + v * v < 5 := by",
        );
        assert!(
            matches!(how(&one, &other, 12), Some(How::Pieces { shared, of }) if shared > 1 && of > shared)
        );
        assert_eq!(how(&one, &other, 30), None);
        // The same shape with the variables crossed is another piece.
        let crossed = lean("", "theorem c (u v : Nat) : u * v + 2 * u * v + v * u < 5 := by");
        assert_eq!(how(&one, &crossed, 12), None);
    }

    #[test]
    fn python_and_isabelle_are_compared_word_by_word() {
        let human = |prompt: &str, entry_point: &str| {
            problem(Kind::Python(PythonProblem::HumanEval {
                prompt: prompt.to_owned(),
                entry_point: entry_point.to_owned(),
                test: String::new(),
            }))
        };
        let base = human("def add(a, b):\n    \"\"\"Add.\"\"\"\n", "add");
        assert_eq!(how(&base, &human("def add(a, b):\n    \"\"\"Add.\"\"\"\n", "add"), 30), Some(How::Exact));
        assert_eq!(
            how(&base, &human("def plus(a,b):\n\t\"\"\"Add.\"\"\"", "plus"), 30),
            Some(How::Equivalent)
        );
        assert_eq!(how(&base, &human("def add(a, b):\n    \"\"\"Sub.\"\"\"\n", "add"), 30), None);
        let isabelle = |statement: &str| {
            problem(Kind::Isabelle(IsabelleProblem {
                imports: vec!["Main".to_owned()],
                header: String::new(),
                statement: statement.to_owned(),
            }))
        };
        let one = isabelle("theorem t: \"x = (y :: nat)\"");
        assert_eq!(how(&one, &isabelle("lemma u:\n  \"x=(y::nat)\""), 30), Some(How::Equivalent));
        assert_eq!(how(&one, &isabelle("theorem t: \"y = (x :: nat)\""), 30), None);
        assert_eq!(how(&one, &lean("", "theorem t: \"x = (y :: nat)\""), 3), None);
    }

    #[test]
    fn boilerplate_is_no_overlap_and_is_counted() {
        let text = |number: usize| format!("theorem a : f a a a a a a a a a a a a = {number} := by");
        let many: Vec<Problem> = (0..=MAX_HOLDERS).map(|number| lean("", &text(number))).collect();
        let overlap = find(&[lean("", &text(MAX_HOLDERS + 1))], &many, Settings { ngram: 10, share: 0 });
        assert!(overlap.pairs.is_empty() && overlap.boilerplate > 0, "{overlap:?}");
        let overlap = find(&[lean("", &text(MAX_HOLDERS + 1))], &many[1..], Settings { ngram: 10, share: 0 });
        assert_eq!((overlap.pairs.len(), overlap.boilerplate), (MAX_HOLDERS, 0));
    }
}
