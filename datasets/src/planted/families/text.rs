//! One text.

use super::Family;
use super::places::wrong_steps;
use crate::planted::draft::{Draft, Slip, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("text-steps", "text", 10, text_steps),
    Family::new("letters", "text", 3, letters),
    Family::new("letter-count", "text", 3, letter_count),
    Family::new("vowels", "text", 2, vowels),
    Family::new("backwards", "text", 1, backwards),
    Family::new("replace-letter", "text", 4, replace_letter),
    Family::new("padded", "text", 2, padded),
    Family::new("cut", "text", 2, cut),
    Family::new("repeated", "text", 1, repeated),
    Family::new("full-name", "text", 1, full_name),
    Family::new("letter-of-none", "text", 3, letter_of_none),
    Family::new("every-nth-letter", "text", 2, every_nth_letter),
    Family::new("letter-place", "text", 1, letter_place),
    Family::new("letter-by-letter", "text", 4, letter_by_letter),
];

const S: &[(&str, Input)] = &[("s", Input::Word(1))];

/// A step on the way from `s`: how it is said, and its code behind and before an expression.
struct Step {
    said: String,
    before: String,
    after: String,
    slip: Slip,
}

fn step(rng: &mut Rng) -> Step {
    let (k, c) = (rng.between(1, 2), *rng.pick(&["!", "?", "-", "."]));
    let behind = |said: &str, code: &str, kind: &'static str, wrong: &str| Step {
        said: said.to_owned(),
        before: String::new(),
        after: code.to_owned(),
        slip: Slip::plain(kind, code, wrong),
    };
    match rng.below(9) {
        0 => behind("reverse it", "[::-1]", kind::OPERATOR, "[1:]"),
        1 => behind("put it in capitals", ".upper()", kind::FUNCTION, ".lower()"),
        2 => behind("put it in small letters", ".lower()", kind::FUNCTION, ".upper()"),
        3 => behind(
            &format!("drop the first {k}"),
            &format!("[{k}:]"),
            kind::OFF_BY_ONE,
            &format!("[{}:]", k + 1),
        ),
        4 => behind(
            &format!("drop the last {k}"),
            &format!("[:-{k}]"),
            kind::OFF_BY_ONE,
            &format!("[:-{}]", k + 1),
        ),
        5 => behind(
            &format!("keep the first {}", k + 1),
            &format!("[:{}]", k + 1),
            kind::OFF_BY_ONE,
            &format!("[:{k}]"),
        ),
        6 => behind(
            &format!("keep the last {}", k + 1),
            &format!("[-{}:]", k + 1),
            kind::ORDER,
            &format!("[:{}]", k + 1),
        ),
        7 => behind("write it twice", " * 2", kind::OFF_BY_ONE, " * 3"),
        _ => Step {
            said: format!("put '{c}' behind it"),
            before: String::new(),
            after: format!(" + '{c}'"),
            slip: Slip::plain(kind::OPERATOR, &format!("+ '{c}'"), &format!("+ '{c}{c}'")),
        },
    }
}

/// One step behind another; a weak operator goes into parentheses before a strong one.
fn chained(one: &Step, other: &Step) -> String {
    let is_weak = |step: &Step| step.after.starts_with(' ');
    let inner = format!("{}s{}", one.before, one.after);
    let needs = is_weak(one) && !(one.after.starts_with(" *") && other.after.starts_with(" +"));
    let inner = if needs { format!("({inner})") } else { inner };
    format!("return {}{inner}{}", other.before, other.after)
}

fn text_steps(rng: &mut Rng) -> Draft {
    let (one, other) = loop {
        let drawn = (step(rng), step(rng));
        if drawn.0.after != drawn.1.after {
            break drawn;
        }
    };
    let then = if rng.chance(50) { "and" } else { "then" };
    let doc = format!("Take s, {} {then} {}.", one.said, other.said);
    let name = name(rng, &["change"]);
    let solution = chained(&one, &other);
    Draft::closed(name, doc, &[("s", Input::Word(3))], solution.clone())
        .slip(
            kind::ORDER,
            &solution,
            &chained(&other, &one),
            &format!("It begins with {}; it must begin with {}.", other.after.trim(), one.after.trim()),
        )
        .slip(
            kind::NO_MAP,
            &solution,
            &format!("return s{}", other.after),
            &format!("It leaves out {}; it must begin with it.", one.after.trim()),
        )
        .slips([one.slip, other.slip])
}

fn letters(rng: &mut Rng) -> Draft {
    let c = *rng.pick(&["a", "e", "i", "o", "t"]);
    let (said, condition, wrong) = match rng.below(4) {
        0 => (format!("the letters of s other than '{c}'"), format!("c != '{c}'"), format!("c == '{c}'")),
        1 => ("the vowels of s".to_owned(), "c in 'aeiou'".to_owned(), "c not in 'aeiou'".to_owned()),
        2 => (
            "the letters of s that are no vowels".to_owned(),
            "c not in 'aeiou'".to_owned(),
            "c in 'aeiou'".to_owned(),
        ),
        _ => (
            format!("the letters of s after '{c}' in the alphabet"),
            format!("c > '{c}'"),
            format!("c >= '{c}'"),
        ),
    };
    let whole = *rng.pick(&[
        ("", "[c", "]", "list"),
        ("the number of ", "len([c", "])", "count"),
        ("a text of ", "''.join(c", ")", "text"),
    ]);
    let doc = format!("{} {}{said}.", verb(rng), whole.0);
    let name = name(rng, &[whole.3, "letters"]);
    Draft::closed(name, doc, S, format!("return {} for c in s if {condition}{}", whole.1, whole.2))
        .slip(kind::COMPARISON, &condition, &wrong, &format!("It tests {wrong}; it must test {condition}."))
        .slip(
            kind::NO_FILTER,
            &format!(" if {condition}"),
            "",
            &format!("It tests nothing; it must test {condition}."),
        )
        .slip(kind::OFF_BY_ONE, "in s if", "in s[1:] if", "It takes s[1:]; it must take s.")
}

fn letter_count(rng: &mut Rng) -> Draft {
    let c = format!("'{}'", *rng.pick(&["a", "b", "c", "e", "i", "s", "t"]));
    let (said, parameters): (&str, &[(&str, Input)]) =
        if rng.chance(70) { (&c, S) } else { ("c", &[("s", Input::Word(1)), ("c", Input::Letter)]) };
    let doc = match rng.below(3) {
        0 => format!("Count {said} in s; s may have capitals."),
        1 => format!("{} how often s has {said}; s may have capitals.", verb(rng)),
        _ => format!("{} the number of {said} in s; s may have capitals.", verb(rng)),
    };
    let name = name(rng, &["count"]);
    let lower = if said == "c" { "c.lower()" } else { said };
    let choices =
        [(format!("s.count({said})"), "matter"), (format!("s.lower().count({lower})"), "not matter")];
    Draft::closed(name, doc, parameters, "return @".to_owned())
        .open(rng, "It lets capitals {wrong}; it must let them {right}.", &choices)
        .plain(kind::OFF_BY_ONE, &format!("count({said})"), &format!("count({said}) + 1"))
        .plain(kind::FUNCTION, &format!("count({said})"), &format!("find({said})"))
        .slip(kind::OFF_BY_ONE, "return s.", "return s[1:].", "It takes s[1:]; it must take s.")
        .cased()
}

fn vowels(rng: &mut Rng) -> Draft {
    let whole = *rng.pick(&[
        ("the number of ", "len([c", "])", "count"),
        ("", "[c", "]", "list"),
        ("a text of ", "''.join(c", ")", "text"),
    ]);
    let doc = format!("{} {}the vowels of s; s may have capitals.", verb(rng), whole.0);
    let name = name(rng, &[whole.3, "vowels"]);
    let choices = [
        ("c in 'aeiou'", "small ones without y"),
        ("c in 'aeiouy'", "small ones with y"),
        ("c in 'aeiouAEIOU'", "capitals, too, without y"),
    ];
    Draft::closed(name, doc, &[("s", Input::Text)], format!("return {} for c in s if @{}", whole.1, whole.2))
        .open(rng, "It takes {wrong}; it must take {right}.", &choices)
        .slip(
            kind::COMPARISON,
            "c in '",
            "c not in '",
            "It takes the other letters; it must take the vowels.",
        )
        .slip(kind::OFF_BY_ONE, "in s if", "in s[1:] if", "It takes s[1:]; it must take s.")
        .cased()
}

fn backwards(rng: &mut Rng) -> Draft {
    let begin = *rng.pick(&["Tell whether", "Say whether", "Check whether"]);
    let doc = format!("{begin} s reads the same backwards; s may have capitals.");
    let name = name(rng, &["same_backwards"]);
    let choices = [("s", "matter"), ("s.lower()", "not matter")];
    Draft::closed(name, doc, S, "t = @\nreturn t == t[::-1]".to_owned())
        .open(rng, "It lets capitals {wrong}; it must let them {right}.", &choices)
        .plain(kind::OPERATOR, "t[::-1]", "t[::1]")
        .plain(kind::COMPARISON, "t == t[::-1]", "t != t[::-1]")
        .plain(kind::OFF_BY_ONE, "t == t[::-1]", "t[0] == t[-1]")
        .cased()
}

fn replace_letter(rng: &mut Rng) -> Draft {
    let from = *rng.pick(&["a", "e", "i", "o", "t", "s"]);
    let to = *rng.pick(&["x", "u", "-", "*"]);
    let choices = if rng.chance(60) {
        (format!("Replace '{from}' in s by '{to}'."), format!("s.replace('{from}', '{to}'"))
    } else {
        (format!("Remove '{from}' from s."), format!("s.replace('{from}', ''"))
    };
    let (doc, code) = choices;
    let name = name(rng, &["replace"]);
    Draft::closed(name, doc, &[("s", Input::Text)], "return @".to_owned())
        .open(
            rng,
            "It changes {wrong}; it must change {right}.",
            &[(format!("{code})"), "all of them"), (format!("{code}, 1)"), "the first only")],
        )
        .plain(kind::ARGUMENTS, &format!("'{from}', '{to}'"), &format!("'{to}', '{from}'"))
        .slip(kind::OPERATOR, "return s.", "return s[::-1].", "It takes s[::-1]; it must take s.")
        .slip(kind::OFF_BY_ONE, "return s.", "return s[1:].", "It takes s[1:]; it must take s.")
}

fn padded(rng: &mut Rng) -> Draft {
    let k = rng.between(5, 9).to_string();
    let (said, parameters): (&str, &[(&str, Input)]) =
        if rng.chance(60) { (&k, S) } else { ("n", &[("s", Input::Word(1)), ("n", Input::Int(3, 9))]) };
    let doc = match rng.below(2) {
        0 => format!("Fill s up to length {said}."),
        _ => format!("Make s {said} letters long by filling it up."),
    };
    let name = name(rng, &["fill"]);
    let choices = [
        (format!("s.ljust({said}, '-')"), "'-' behind it"),
        (format!("s.rjust({said}, '-')"), "'-' before it"),
        (format!("s.ljust({said}, '.')"), "'.' behind it"),
        (format!("s.rjust({said}, '.')"), "'.' before it"),
    ];
    Draft::closed(name, doc, parameters, "return @".to_owned())
        .open(rng, "It puts {wrong}; it must put {right}.", &choices)
        .slips(["+ 1", "- 1"].map(|more| {
            let words = format!("It fills up to {said} {more}; it must fill up to {said}.");
            Slip::new(kind::OFF_BY_ONE, &format!("({said},"), &format!("({said} {more},"), &words)
        }))
}

fn cut(rng: &mut Rng) -> Draft {
    let k = rng.between(2, 4).to_string();
    let (said, parameters): (&str, &[(&str, Input)]) =
        if rng.chance(60) { (&k, S) } else { ("n", &[("s", Input::Word(1)), ("n", Input::Int(1, 4))]) };
    let doc = match rng.below(3) {
        0 => format!("Cut s to length {said}."),
        1 => format!("Shorten s to {said} letters."),
        _ => format!("Make s at most {said} letters long."),
    };
    let name = name(rng, &["cut"]);
    let choices = [
        (format!("s[:{said}]"), "the beginning"),
        (format!("s[-{said}:]"), "the end"),
        (format!("s[:{said}] + '.' if len(s) > {said} else s"), "the beginning with a dot"),
    ];
    Draft::closed(name, doc, parameters, "return @".to_owned())
        .open(rng, "It gives {wrong}; it must give {right}.", &choices)
        .slips([("]", "- 1"), (":]", "+ 1")].map(|(end, more)| {
            let words = format!("It cuts at {said} {more}; it must cut at {said}.");
            Slip::new(kind::OFF_BY_ONE, &format!("{said}{end}"), &format!("{said} {more}{end}"), &words)
        }))
        .plain(kind::COMPARISON, &format!("len(s) > {said}"), &format!("len(s) >= {said}"))
}

fn repeated(rng: &mut Rng) -> Draft {
    let k = rng.between(2, 4).to_string();
    let (said, parameters): (&str, &[(&str, Input)]) =
        if rng.chance(60) { (&k, S) } else { ("n", &[("s", Input::Word(1)), ("n", Input::Int(1, 4))]) };
    let doc = match rng.below(2) {
        0 => format!("Repeat s {said} times."),
        _ => format!("Write s {said} times in one text."),
    };
    let name = name(rng, &["repeat"]);
    let choices = [("''", "nothing"), ("' '", "a space"), ("'-'", "a dash"), ("','", "a comma")];
    Draft::closed(name, doc, parameters, format!("return @.join([s] * {said})"))
        .open(rng, "It puts {wrong} between them; it must put {right}.", &choices)
        .plain(kind::OFF_BY_ONE, &format!("* {said}"), &format!("* ({said} + 1)"))
        .plain(kind::OFF_BY_ONE, &format!("* {said}"), &format!("* ({said} - 1)"))
}

fn full_name(rng: &mut Rng) -> Draft {
    let (first, last, said) = *rng.pick(&[
        ("a", "b", "Write first name a and last name b as one name."),
        ("a", "b", "Put first name a and last name b together."),
        ("s", "t", "Make one name of first name s and last name t."),
    ]);
    let name = name(rng, &["full_name"]);
    let choices = [
        (format!("{first} + ' ' + {last}"), format!("{first} {last}")),
        (format!("{last} + ' ' + {first}"), format!("{last} {first}")),
        (format!("{last} + ', ' + {first}"), format!("{last}, {first}")),
        (format!("{first}[0] + '. ' + {last}"), format!("{first}[0]. {last}")),
    ];
    Draft::closed(
        name,
        said.to_owned(),
        &[(first, Input::Word(1)), (last, Input::Word(1))],
        "return @".to_owned(),
    )
    .open(rng, "It writes '{wrong}'; it must write '{right}'.", &choices)
    .plain(kind::VARIABLE, &format!("+ {last}"), &format!("+ {first}"))
    .plain(kind::VARIABLE, &format!("+ {first}"), &format!("+ {last}"))
    .plain(kind::OFF_BY_ONE, "[0]", "[-1]")
    .cased()
}

fn letter_of_none(rng: &mut Rng) -> Draft {
    let (word, place, wrong, opposite) =
        *rng.pick(&[("first", "cs[0]", "cs[-1]", "last"), ("last", "cs[-1]", "cs[0]", "first")]);
    let c = *rng.pick(&["e", "i", "m", "o", "r"]);
    let (said, condition, other) = match rng.below(4) {
        0 => ("vowel of s".to_owned(), "c in 'aeiou'".to_owned(), "c not in 'aeiou'".to_owned()),
        1 => {
            (format!("letter of s after '{c}' in the alphabet"), format!("c > '{c}'"), format!("c >= '{c}'"))
        }
        2 => {
            (format!("letter of s before '{c}' in the alphabet"), format!("c < '{c}'"), format!("c <= '{c}'"))
        }
        _ => (
            "letter of s that comes once".to_owned(),
            "s.count(c) == 1".to_owned(),
            "s.count(c) > 1".to_owned(),
        ),
    };
    let doc = format!("{} the {word} {said}.", verb(rng));
    let name = name(rng, &[word, "letter"]);
    let solution = format!("cs = [c for c in s if {condition}]\nreturn {place} if cs else @");
    Draft::closed(name, doc, &[("s", Input::Word(0))], solution)
        .open(
            rng,
            "It gives {wrong} if there is none; it must give {right}.",
            &[("''", "''"), ("None", "None"), ("'-'", "'-'"), ("'?'", "'?'")],
        )
        .slip(kind::ORDER, place, wrong, &format!("It takes the {opposite}; it must take the {word}."))
        .slip(kind::COMPARISON, &condition, &other, &format!("It tests {other}; it must test {condition}."))
        .unguarded(" if cs else ")
}

fn every_nth_letter(rng: &mut Rng) -> Draft {
    let (word, step, choices): (_, _, &[(&str, &str)]) = if rng.chance(50) {
        ("second", "2", &[("", "first"), ("1", "second")])
    } else {
        ("third", "3", &[("", "first"), ("1", "second"), ("2", "third")])
    };
    let (said, after) = *rng.pick(&[("", ""), (" in capitals", ".upper()"), (", backwards", "[::-1]")]);
    let doc = format!("{} every {word} letter of s{said}.", verb(rng));
    let name = name(rng, &["every", word]);
    Draft::closed(name, doc, &[("s", Input::Text)], format!("return s[@::{step}]{after}"))
        .open(rng, "It begins with the {wrong}; it must begin with the {right}.", choices)
        .slips(wrong_steps(step))
        .slip(
            kind::NO_MAP,
            &format!("::{step}]{after}"),
            &format!("::{step}]"),
            &format!("It leaves out {after}; it must end with it."),
        )
}

fn letter_place(rng: &mut Rng) -> Draft {
    let doc = format!("{} the place of c in s, which has it.", verb(rng));
    let name = name(rng, &["place"]);
    let choices = [("s.index(c)", "0"), ("s.index(c) + 1", "1"), ("s[::-1].index(c)", "the end")];
    Draft::closed(name, doc, &[("s", Input::Word(2)), ("c", Input::Letter)], "return @".to_owned())
        .open(rng, "It counts from {wrong}; it must count from {right}.", &choices)
        .plain(kind::FUNCTION, "index(c)", "count(c)")
        .slip(kind::OFF_BY_ONE, "s.index(c)", "s[1:].index(c)", "It takes s[1:]; it must take s.")
}

fn letter_by_letter(rng: &mut Rng) -> Draft {
    let (c, d) = (*rng.pick(&["a", "e", "i", "o", "t"]), *rng.pick(&["-", "*", ".", " "]));
    let (which, condition, wrong) = match rng.below(4) {
        0 => (format!("every '{c}'"), format!("c == '{c}'"), format!("c != '{c}'")),
        1 => ("every vowel".to_owned(), "c in 'aeiou'".to_owned(), "c not in 'aeiou'".to_owned()),
        2 => (format!("every letter after '{c}'"), format!("c > '{c}'"), format!("c >= '{c}'")),
        _ => (format!("every letter but '{c}'"), format!("c != '{c}'"), format!("c == '{c}'")),
    };
    let (said, code, other) = match rng.below(4) {
        0 => (format!("Write {which} of s twice"), "c + c".to_owned(), "c".to_owned()),
        1 => (format!("Put '{d}' behind {which} of s"), format!("c + '{d}'"), format!("'{d}' + c")),
        2 => (format!("Put '{d}' before {which} of s"), format!("'{d}' + c"), format!("c + '{d}'")),
        _ => (format!("Write {which} of s as a capital"), "c.upper()".to_owned(), "c.lower()".to_owned()),
    };
    let doc = format!("{said} and keep the others.");
    let name = name(rng, &["letter_by_letter"]);
    let right = format!("{code} if {condition} else c");
    Draft::closed(name, doc, S, format!("return ''.join({right} for c in s)"))
        .slip(kind::COMPARISON, &condition, &wrong, &format!("It tests {wrong}; it must test {condition}."))
        .slip(
            kind::ARGUMENTS,
            &right,
            &format!("c if {condition} else {code}"),
            "It changes the others; it must keep them.",
        )
        .slip(kind::OPERATOR, &code, &other, &format!("It takes {other}; it must take {code}."))
        .slip(
            kind::NO_FILTER,
            &format!(" if {condition} else c"),
            "",
            &format!("It tests nothing; it must test {condition}."),
        )
}
