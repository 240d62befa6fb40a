//! What families are made of: which items are taken, what becomes of each, and how both are said.

use super::draft::{Slip, kind};
use super::rng::Rng;

/// Which items are taken.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// For the function's name; empty if all are taken.
    pub(super) slug: String,
    before: String,
    after: String,
    noun: &'static str,
    /// Where they are, as it is said: " in xs".
    place: String,
    /// Where they come from, as code.
    source: String,
    variable: &'static str,
    condition: String,
    slips: Vec<Slip>,
}

/// What becomes of each item.
#[derive(Debug, Clone)]
pub(super) struct Map {
    /// For the function's name; empty if nothing becomes of it.
    pub(super) slug: String,
    /// "the squares of", where there is such a word.
    of: Option<&'static str>,
    each: String,
    code: String,
    slips: Vec<Slip>,
}

/// What a number can be: its part of the function's name, the word, the condition, and wrong ones.
type Property = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const PROPERTIES: &[Property] = &[
    ("even", "even", "x % 2 == 0", &[(kind::COMPARISON, "x % 2 == 1"), (kind::OPERATOR, "x // 2 == 0")]),
    ("odd", "odd", "x % 2 == 1", &[(kind::COMPARISON, "x % 2 == 0"), (kind::OPERATOR, "x // 2 == 1")]),
    ("positive", "positive", "x > 0", &[(kind::COMPARISON, "x >= 0"), (kind::COMPARISON, "x < 0")]),
    ("negative", "negative", "x < 0", &[(kind::COMPARISON, "x <= 0"), (kind::COMPARISON, "x > 0")]),
    ("nonzero", "non-zero", "x != 0", &[(kind::COMPARISON, "x > 0"), (kind::COMPARISON, "x == 0")]),
];

impl Filter {
    fn new(
        list: &'static str,
        slug: &str,
        words: (&str, &str),
        condition: &str,
        wrong: &[(&'static str, &str)],
    ) -> Self {
        let (noun, variable) = if list == "words" { ("words", "w") } else { ("numbers", "x") };
        let test = |wrong: &str| format!("It tests {wrong}; it must test {condition}.");
        // In a loop, a condition has its own line: whoever writes one plants that bug.
        let forgotten = format!(" in {list} if {condition}");
        let none = Slip::new(kind::NO_FILTER, &forgotten, &format!(" in {list}"), &test("nothing"));
        let slips = wrong.iter().map(|(kind, wrong)| Slip::new(kind, condition, wrong, &test(wrong)));
        let slips = slips.chain([none]).collect();
        Self {
            slug: slug.to_owned(),
            before: words.0.to_owned(),
            after: words.1.to_owned(),
            noun,
            place: format!(" in {list}"),
            source: list.to_owned(),
            variable,
            condition: condition.to_owned(),
            slips,
        }
    }

    /// All items.
    pub(super) fn all(list: &'static str) -> Self {
        Self { slips: Vec::new(), ..Self::new(list, "", ("", ""), "", &[]) }
    }

    /// The numbers in `xs` that a word says no more of than that: "large".
    pub(super) fn open_numbers(word: &str, condition: &str) -> Self {
        Self { slips: Vec::new(), ..Self::new("xs", word, (&format!("{word} "), ""), condition, &[]) }
    }

    /// The same with words behind the noun: " between 2 and 5".
    pub(super) fn open_numbers_behind(words: &str, condition: &str) -> Self {
        Self { slips: Vec::new(), ..Self::new("xs", "", ("", words), condition, &[]) }
    }

    /// The words in `words` that a word says no more of than that: "long".
    pub(super) fn open_words(before: &str, after: &str, condition: &str) -> Self {
        Self { slips: Vec::new(), ..Self::new("words", before.trim(), (before, after), condition, &[]) }
    }

    /// The numbers of a range.
    pub(super) fn range(said: &str, source: &str) -> Self {
        Self::all("xs").of_range(said, source)
    }

    /// The same of the numbers of a range.
    pub(super) fn of_range(self, said: &str, source: &str) -> Self {
        self.elsewhere(&format!(" {said}"), source)
    }

    /// The same of the words of a text `s`.
    pub(super) fn of_text(self) -> Self {
        self.elsewhere(" of s", "s.split()")
    }

    fn elsewhere(self, place: &str, source: &str) -> Self {
        let moved = |code: &str| code.replace(&format!(" in {}", self.source), &format!(" in {source}"));
        let slips = self.slips.iter();
        let slips =
            slips.map(|slip| Slip { from: moved(&slip.from), to: moved(&slip.to), ..slip.clone() }).collect();
        Self { place: place.to_owned(), source: source.to_owned(), slips, ..self }
    }

    /// Some of the numbers in `xs`.
    pub(super) fn numbers(rng: &mut Rng) -> Self {
        if rng.chance(45) {
            let (slug, word, condition, wrong) = rng.pick(PROPERTIES);
            return Self::new("xs", slug, (&format!("{word} "), ""), condition, wrong);
        }
        let k = rng.between(1, 12);
        let d = rng.between(3, 6);
        let against = |slug: &str, said: &str, sign: &str, wrong: [&str; 2]| {
            let test = |sign: &str| format!("x {sign} {k}");
            let wrong = wrong.map(test);
            let wrong = [(kind::COMPARISON, wrong[0].as_str()), (kind::COMPARISON, wrong[1].as_str())];
            Self::new("xs", slug, ("", &format!(" {said} {k}")), &test(sign), &wrong)
        };
        match rng.below(8) {
            0 => against("above", "greater than", ">", [">=", "<"]),
            1 => against("above", "above", ">", [">=", "<"]),
            2 => against("below", "less than", "<", ["<=", ">"]),
            3 => against("below", "below", "<", ["<=", ">"]),
            4 | 5 => against("other", "other than", "!=", ["==", ">"]),
            _ => {
                let words = format!(" divisible by {d}");
                let wrong = [format!("x // {d} == 0"), format!("x % {d} != 0")];
                let wrong = [(kind::OPERATOR, wrong[0].as_str()), (kind::COMPARISON, wrong[1].as_str())];
                Self::new("xs", "multiples", ("", &words), &format!("x % {d} == 0"), &wrong)
            }
        }
    }

    /// Some or all of the numbers in `xs`.
    pub(super) fn some_numbers(rng: &mut Rng) -> Self {
        if rng.chance(20) { Self::all("xs") } else { Self::numbers(rng) }
    }

    /// Some of the words in `words`.
    pub(super) fn words(rng: &mut Rng) -> Self {
        let k = rng.between(2, 5);
        let c = *rng.pick(&["b", "c", "d", "e", "f", "s", "t"]);
        let new = |slug: &str, words: &str, condition: &str, wrong: [(&'static str, &str); 2]| {
            let filled = |text: &str| text.replace('#', &k.to_string()).replace('*', c);
            let wrong = wrong.map(|(kind, wrong)| (kind, filled(wrong)));
            let wrong = [(wrong[0].0, wrong[0].1.as_str()), (wrong[1].0, wrong[1].1.as_str())];
            Self::new("words", slug, ("", &filled(words)), &filled(condition), &wrong)
        };
        let comparisons = |one, other| [(kind::COMPARISON, one), (kind::COMPARISON, other)];
        match rng.below(6) {
            0 => new("long", " longer than #", "len(w) > #", comparisons("len(w) >= #", "len(w) < #")),
            1 => new("short", " shorter than #", "len(w) < #", comparisons("len(w) <= #", "len(w) > #")),
            2 => new("sized", " of length #", "len(w) == #", comparisons("len(w) >= #", "len(w) != #")),
            3 => {
                let wrong = [(kind::OFF_BY_ONE, "w[1] == '*'"), (kind::COMPARISON, "w[0] != '*'")];
                new("starting", " that start with '*'", "w[0] == '*'", wrong)
            }
            4 => {
                let wrong = [(kind::OFF_BY_ONE, "w[0] == '*'"), (kind::COMPARISON, "w[-1] != '*'")];
                new("ending", " that end with '*'", "w[-1] == '*'", wrong)
            }
            _ => {
                let wrong = [(kind::COMPARISON, "'*' not in w"), (kind::FUNCTION, "w[0] == '*'")];
                new("with", " containing '*'", "'*' in w", wrong)
            }
        }
    }

    /// Some or all of the words in `words`.
    pub(super) fn some_words(rng: &mut Rng) -> Self {
        if rng.chance(20) { Self::all("words") } else { Self::words(rng) }
    }

    /// "even numbers in xs".
    pub(super) fn said(&self) -> String {
        format!("{}{}{}{}", self.before, self.noun, self.after, self.place)
    }

    /// "even number in xs".
    pub(super) fn said_of_one(&self) -> String {
        let noun = self.noun.trim_end_matches('s');
        let after = self.after.replace("that start", "that starts").replace("that end", "that ends");
        format!("{}{noun}{after}{}", self.before, self.place)
    }

    /// "even", "divisible by 3".
    pub(super) fn property(&self) -> &str {
        if self.before.is_empty() { self.after.trim() } else { self.before.trim() }
    }

    pub(super) fn condition(&self) -> &str {
        &self.condition
    }

    /// What goes wrong with it.
    pub(super) fn slips(&self) -> Vec<Slip> {
        self.slips.clone()
    }

    /// `for x in xs if x > 0`.
    pub(super) fn clause(&self) -> String {
        let condition =
            if self.condition.is_empty() { String::new() } else { format!(" if {}", self.condition) };
        format!("for {} in {}{condition}", self.variable, self.source)
    }

    /// The taken items as a list.
    pub(super) fn list(&self) -> String {
        if self.condition.is_empty() {
            self.source.clone()
        } else {
            format!("[{} {}]", self.variable, self.clause())
        }
    }

    /// The taken items as an argument, which may be followed by others if `more`.
    pub(super) fn argument(&self, more: bool) -> String {
        match (self.condition.is_empty(), more) {
            (true, _) => self.source.clone(),
            (false, false) => format!("{} {}", self.variable, self.clause()),
            (false, true) => format!("({} {})", self.variable, self.clause()),
        }
    }
}

impl Map {
    fn new(
        slug: &str,
        of: Option<&'static str>,
        each: &str,
        code: &str,
        wrong: &[(&'static str, &str)],
        variable: &str,
    ) -> Self {
        // Only where it stands before its clause, so that a condition that looks alike stays.
        let spot = |code: &str| format!("{code} for {variable} ");
        let slip = |kind: &'static str, wrong: &str| {
            let explanation = format!("It takes {wrong}; it must take {code}.");
            Slip::new(kind, &spot(code), &spot(wrong), &explanation)
        };
        let mut slips: Vec<Slip> = wrong.iter().map(|(kind, wrong)| slip(kind, wrong)).collect();
        slips.push(slip(kind::NO_MAP, variable));
        Self { slug: slug.to_owned(), of, each: each.to_owned(), code: code.to_owned(), slips }
    }

    /// Nothing becomes of the items.
    pub(super) fn none(variable: &str) -> Self {
        Self {
            slug: String::new(),
            of: None,
            each: String::new(),
            code: variable.to_owned(),
            slips: Vec::new(),
        }
    }

    /// Something becomes of each number.
    pub(super) fn number(rng: &mut Rng) -> Self {
        let new = |slug: &str, of, each: &str, code: &str, wrong: &[(&'static str, &str)]| {
            Self::new(slug, of, each, code, wrong, "x")
        };
        let k = rng.between(1, 9);
        let m = rng.between(4, 9);
        match rng.below(8) {
            0 => new(
                "squares",
                Some("the squares of"),
                "squared",
                "x * x",
                &[(kind::OPERATOR, "x + x"), (kind::VARIABLE, "x * 2")],
            ),
            1 => new(
                "doubles",
                Some("the doubles of"),
                "doubled",
                "2 * x",
                &[(kind::OPERATOR, "x + 2"), (kind::OFF_BY_ONE, "3 * x")],
            ),
            2 => new(
                "triples",
                Some("the triples of"),
                "tripled",
                "3 * x",
                &[(kind::OPERATOR, "x + 3"), (kind::OFF_BY_ONE, "2 * x")],
            ),
            3 => new(
                "absolute",
                Some("the absolute values of"),
                "without sign",
                "abs(x)",
                &[(kind::OPERATOR, "-x")],
            ),
            4 => new("negated", None, "negated", "-x", &[(kind::FUNCTION, "abs(x)")]),
            5 => new(
                "plus",
                None,
                &format!("plus {k}"),
                &format!("x + {k}"),
                &[(kind::OPERATOR, &format!("x - {k}")), (kind::OFF_BY_ONE, &format!("x + {}", k + 1))],
            ),
            6 => new(
                "minus",
                None,
                &format!("minus {k}"),
                &format!("x - {k}"),
                &[(kind::OPERATOR, &format!("x + {k}")), (kind::ARGUMENTS, &format!("{k} - x"))],
            ),
            _ => new(
                "times",
                None,
                &format!("times {m}"),
                &format!("{m} * x"),
                &[(kind::OPERATOR, &format!("{m} + x")), (kind::OFF_BY_ONE, &format!("{} * x", m - 1))],
            ),
        }
    }

    /// Something, or nothing, becomes of each number.
    pub(super) fn maybe_number(rng: &mut Rng) -> Self {
        if rng.chance(35) { Self::none("x") } else { Self::number(rng) }
    }

    /// Something becomes of each word; it stays a word.
    pub(super) fn word(rng: &mut Rng) -> Self {
        let new = |slug: &str, of, each: &str, code: &str, wrong: &[(&'static str, &str)]| {
            Self::new(slug, of, each, code, wrong, "w")
        };
        let c = *rng.pick(&["!", "?", "s", "."]);
        match rng.below(6) {
            0 => new("upper", None, "in capitals", "w.upper()", &[(kind::FUNCTION, "w.lower()")]),
            1 => new("reversed", None, "reversed", "w[::-1]", &[(kind::OFF_BY_ONE, "w[1:]")]),
            2 => new(
                "initials",
                Some("the first letters of"),
                "cut to its first letter",
                "w[0]",
                &[(kind::OFF_BY_ONE, "w[1]"), (kind::ORDER, "w[-1]")],
            ),
            3 => new(
                "finals",
                Some("the last letters of"),
                "cut to its last letter",
                "w[-1]",
                &[(kind::ORDER, "w[0]")],
            ),
            4 => new("twice", None, "written twice", "w + w", &[(kind::FUNCTION, "w + w[0]")]),
            _ => new(
                "followed",
                None,
                &format!("followed by '{c}'"),
                &format!("w + '{c}'"),
                &[(kind::ARGUMENTS, &format!("'{c}' + w"))],
            ),
        }
    }

    /// `x * x for x in xs if x > 0`.
    pub(super) fn argument(&self, filter: &Filter) -> String {
        if self.slug.is_empty() {
            filter.argument(false)
        } else {
            format!("{} {}", self.code, filter.clause())
        }
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// What goes wrong with it.
    pub(super) fn slips(&self) -> Vec<Slip> {
        self.slips.clone()
    }

    /// "the squares of the even numbers in xs", "the even numbers in xs, each plus 3".
    pub(super) fn said(&self, rng: &mut Rng, filter: &Filter) -> String {
        match self.of {
            _ if self.slug.is_empty() => format!("the {}", filter.said()),
            Some(of) if rng.chance(60) => format!("{of} the {}", filter.said()),
            Some(_) | None => format!("the {}, each {}", filter.said(), self.each),
        }
    }
}

const VERBS: [&str; 4] = ["Return", "Return", "Give", "Find"];

/// How a docstring begins.
pub(super) fn verb(rng: &mut Rng) -> &'static str {
    VERBS[rng.below(VERBS.len())]
}

/// The function's name: what it does, or one that says nothing.
pub(super) fn name(rng: &mut Rng, parts: &[&str]) -> String {
    if rng.chance(40) {
        return (*rng.pick(&["f", "g", "h", "run", "solve", "task"])).to_owned();
    }
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    let name = parts.join("_");
    // A program may need what it would otherwise hide.
    if ["sum", "list", "sorted", "range"].contains(&name.as_str()) { name + "_all" } else { name }
}

/// What is made of several numbers: how it is said, what stands around them, and its part of the name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    pub(super) said: &'static str,
    pub(super) before: &'static str,
    pub(super) after: &'static str,
    pub(super) slug: &'static str,
}

const LISTED: Whole = Whole { said: "", before: "[", after: "]", slug: "list" };
const SUMMED: Whole = Whole { said: "the sum of ", before: "sum(", after: ")", slug: "sum" };

impl Whole {
    /// A list or a sum.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        if rng.chance(60) { LISTED } else { SUMMED }
    }
}
