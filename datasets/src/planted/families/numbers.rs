//! One or two numbers.

use super::Family;
use crate::planted::draft::{Draft, Slip, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("steps", "numbers", 9, steps),
    Family::new("two-numbers", "numbers", 5, two_numbers),
    Family::new("digits", "numbers", 3, digits),
    Family::new("difference", "numbers", 3, difference),
    Family::new("divided", "numbers", 3, divided),
    Family::new("how-often", "numbers", 1, how_often),
    Family::new("grown", "numbers", 3, grown),
    Family::new("stepped", "numbers", 3, stepped),
];

/// A step on the way from `n`: how it is said, and its code behind an expression that binds tightly.
fn step(rng: &mut Rng) -> (String, String, Slip) {
    let (k, m) = (rng.between(1, 9), rng.between(2, 5));
    let made = |said: String, code: String, wrong: String| {
        let slip = Slip::plain(kind::OPERATOR, code.trim(), wrong.trim());
        (said, code.clone(), Slip { from: code, to: wrong, ..slip })
    };
    match rng.below(4) {
        0 => made(format!("add {k}"), format!(" + {k}"), format!(" - {k}")),
        1 => made(format!("subtract {k}"), format!(" - {k}"), format!(" + {k}")),
        2 => made(format!("multiply by {m}"), format!(" * {m}"), format!(" + {m}")),
        _ => made(
            format!("take the remainder by {}", m + 1),
            format!(" % {}", m + 1),
            format!(" // {}", m + 1),
        ),
    }
}

fn steps(rng: &mut Rng) -> Draft {
    let (one, other) = loop {
        let drawn = (step(rng), step(rng));
        let both_sums = drawn.0.1.contains(['+', '-']) && drawn.1.1.contains(['+', '-']);
        if drawn.0.1 != drawn.1.1 && !both_sums {
            break drawn;
        }
    };
    let then = if rng.chance(50) { "and" } else { "then" };
    let doc = format!("Take n, {} {then} {}.", one.0, other.0);
    let name = name(rng, &["steps"]);
    let inner = if one.1.contains(['+', '-']) { format!("(n{})", one.1) } else { format!("n{}", one.1) };
    let turned =
        if other.1.contains(['+', '-']) { format!("(n{})", other.1) } else { format!("n{}", other.1) };
    let solution = format!("return {inner}{}", other.1);
    Draft::closed(name, doc, &[("n", Input::Int(-9, 20))], solution.clone())
        .slips([one.2, other.2])
        .slip(
            kind::ORDER,
            &solution,
            &format!("return {turned}{}", one.1),
            &format!("It begins with {}; it must begin with {}.", other.1.trim(), one.1.trim()),
        )
        .slip(
            kind::NO_MAP,
            &solution,
            &format!("return n{}", other.1),
            &format!("It leaves out {}; it must begin with it.", one.1.trim()),
        )
}

/// What is made of `a` and `b`: how it is said, its code, and two ways to get it wrong. `K` and `M` are
/// numbers.
const COMBINED: &[[&str; 4]] = &[
    ["the sum of a and b, times M", "(a + b) * M", "a + b * M", "(a - b) * M"],
    ["the product of a and b, plus K", "a * b + K", "a * (b + K)", "a + b + K"],
    ["a minus b, times M", "(a - b) * M", "(b - a) * M", "a - b * M"],
    ["a plus M times b", "a + M * b", "M * a + b", "(a + b) * M"],
    ["the square of a, minus K times b", "a * a - K * b", "a * a + K * b", "b * b - K * a"],
    ["the larger of a and b, plus K", "max(a, b) + K", "min(a, b) + K", "max(a, b + K)"],
    ["the smaller of a and b, times M", "min(a, b) * M", "max(a, b) * M", "min(a, b * M)"],
    ["the product of a plus K and b", "(a + K) * b", "a + K * b", "a * b + K"],
];

fn two_numbers(rng: &mut Rng) -> Draft {
    let (k, m) = (rng.between(1, 9), rng.between(2, 6));
    let filled = |text: &str| text.replace('K', &k.to_string()).replace('M', &m.to_string());
    let [said, code, wrong, other] = rng.pick(COMBINED).map(filled);
    let doc = format!("{} {said}.", verb(rng));
    let name = name(rng, &["combine"]);
    Draft::closed(
        name,
        doc,
        &[("a", Input::Int(-9, 12)), ("b", Input::Int(-9, 12))],
        format!("return {code}"),
    )
    .plain(kind::OPERATOR, &code, &wrong)
    .plain(kind::ARGUMENTS, &code, &other)
    .plain(kind::OFF_BY_ONE, &format!("+ {k}"), &format!("+ {}", k + 1))
    .plain(kind::OFF_BY_ONE, &format!("* {m}"), &format!("* {}", m - 1))
}

fn digits(rng: &mut Rng) -> Draft {
    let k = rng.between(1, 7);
    let (said, condition, wrong) = match rng.below(5) {
        0 => ("digits of n".to_owned(), String::new(), String::new()),
        1 => ("even digits of n".to_owned(), "int(c) % 2 == 0".to_owned(), "int(c) % 2 == 1".to_owned()),
        2 => ("odd digits of n".to_owned(), "int(c) % 2 == 1".to_owned(), "int(c) % 2 == 0".to_owned()),
        3 => (format!("digits of n above {k}"), format!("int(c) > {k}"), format!("int(c) >= {k}")),
        _ => (format!("digits of n other than {k}"), format!("int(c) != {k}"), format!("int(c) == {k}")),
    };
    let whole = *rng.pick(&[
        ("the sum of the ", "sum(int(c)", ")", "sum"),
        ("the number of ", "len([c", "])", "count"),
        ("a list of the ", "[int(c)", "]", "list"),
    ]);
    let doc = format!("{} {}{said}.", verb(rng), whole.0);
    let name = name(rng, &[whole.3, "digits"]);
    let test = if condition.is_empty() { String::new() } else { format!(" if {condition}") };
    let solution = format!("return {} for c in str(n){test}{}", whole.1, whole.2);
    Draft::closed(name, doc, &[("n", Input::Int(0, 9_999))], solution)
        .slip(kind::COMPARISON, &condition, &wrong, &format!("It tests {wrong}; it must test {condition}."))
        .slip(kind::NO_FILTER, &test, "", &format!("It tests nothing; it must test {condition}."))
        .plain(kind::OFF_BY_ONE, "str(n)", "str(n)[1:]")
        .plain(kind::FUNCTION, "sum(", "max(")
}

fn difference(rng: &mut Rng) -> Draft {
    let k = rng.between(2, 9);
    let (more, before, after) = match rng.below(4) {
        0 => (String::new(), "", String::new()),
        1 => (format!(", times {k}"), "", format!(" * {k}")),
        2 => (format!(", plus {k}"), "", format!(" + {k}")),
        _ => (format!(", minus {k}"), "", format!(" - {k}")),
    };
    let parts = *rng.pick(&[
        ("a", "b"),
        ("the square of a", "b"),
        ("a", "the square of b"),
        ("the double of a", "b"),
    ]);
    let code = |said: &str| match said {
        "the square of a" => "a * a",
        "the square of b" => "b * b",
        "the double of a" => "2 * a",
        "b" => "b",
        _ => "a",
    };
    let doc = format!("{} the difference of {} and {}{more}.", verb(rng), parts.0, parts.1);
    let name = name(rng, &["difference"]);
    let one = format!("{} - {}", code(parts.0), code(parts.1));
    let other = format!("{} - {}", code(parts.1), code(parts.0));
    Draft::closed(
        name,
        doc,
        &[("a", Input::Int(-6, 9)), ("b", Input::Int(-6, 9))],
        format!("return {before}(@){after}"),
    )
    .open(rng, "It takes {wrong}; it must take {right}.", &[(&one, &one), (&other, &other)])
    .slip(kind::OPERATOR, " - ", " + ", "It adds; it must subtract.")
    .plain(kind::OFF_BY_ONE, &format!(" * {k}"), &format!(" * {}", k - 1))
    .plain(kind::OPERATOR, &format!(" * {k}"), &format!(" + {k}"))
}

fn divided(rng: &mut Rng) -> Draft {
    let k = rng.between(2, 9);
    let (said, code) = match rng.below(4) {
        0 => ("n".to_owned(), "n".to_owned()),
        1 => (format!("n plus {}", k - 1), format!("(n + {})", k - 1)),
        2 => ("the square of n".to_owned(), "n * n".to_owned()),
        _ => (format!("n minus {}", k - 1), format!("(n - {})", k - 1)),
    };
    let doc = if rng.chance(50) {
        format!("{} {said}, divided by {k}, as a whole number.", verb(rng))
    } else {
        format!("Divide {said} by {k} and round.")
    };
    let name = name(rng, &["divide"]);
    let minus = if code == "n * n" { "(-n * n".to_owned() } else { format!("(-{code}") };
    let choices = [(format!("{code} // {k}"), "down"), (format!("-{minus} // {k})"), "up")];
    Draft::closed(name, doc, &[("n", Input::Int(-9, 20))], "return @".to_owned())
        .open(rng, "It rounds {wrong}; it must round {right}.", &choices)
        .plain(kind::OPERATOR, &format!("// {k}"), &format!("% {k}"))
        .plain(kind::OFF_BY_ONE, &format!("// {k}"), &format!("// {}", k + 1))
}

fn how_often(rng: &mut Rng) -> Draft {
    let k = rng.between(2, 5);
    let (said, code, wrong) = if rng.chance(50) {
        (format!("divide n by {k}, rounding down"), format!("n = n // {k}"), format!("n = n // {}", k + 1))
    } else {
        (format!("subtract {k} from n"), format!("n -= {k}"), format!("n -= {}", k + 1))
    };
    let doc = format!("Return how often one can {said}, until nothing is left.");
    let name = name(rng, &["how_often"]);
    Draft::closed(
        name,
        doc,
        &[("n", Input::Int(0, 40))],
        format!("t = 0\nwhile n @:\n    {code}\n    t += 1\nreturn t"),
    )
    .open(
        rng,
        "It goes on while n {wrong}; it must go on while n {right}.",
        &[(format!(">= {k}"), format!(">= {k}")), ("> 0".to_owned(), "> 0".to_owned())],
    )
    .plain(kind::OFF_BY_ONE, &code, &wrong)
    .slip(kind::INITIAL, "t = 0", "t = 1", "t begins as 1; it must begin as 0.")
}

fn grown(rng: &mut Rng) -> Draft {
    let (first, m, k) = (rng.between(1, 5), rng.between(2, 4), rng.between(2, 7));
    let (said, code, wrong) = if rng.chance(50) {
        (format!("multiply by {m}"), format!("t = t * {m}"), format!("t = t * {}", m + 1))
    } else {
        (format!("add {k}"), format!("t = t + {k}"), format!("t = t + {}", k + 1))
    };
    let (until, test, other) =
        *rng.pick(&[("above n", "t <= n", "t < n"), ("at least n", "t < n", "t <= n")]);
    let doc = format!("Begin with {first} and {said} until it is {until}.");
    let name = name(rng, &["grow"]);
    let solution = format!("t = {first}\nwhile {test}:\n    {code}\nreturn t");
    Draft::closed(name, doc, &[("n", Input::Int(0, 40))], solution)
        .slip(kind::COMPARISON, test, other, &format!("It tests {other}; it must test {test}."))
        .plain(kind::OFF_BY_ONE, &code, &wrong)
        .slip(
            kind::INITIAL,
            &format!("t = {first}"),
            &format!("t = {}", first + 1),
            &format!("t begins as {}; it must begin as {first}.", first + 1),
        )
}

fn stepped(rng: &mut Rng) -> Draft {
    let k = rng.between(1, 6);
    let (whole, start, add) = *rng.pick(&[("Add up", "t = 0", "t += n"), ("Count", "t = 0", "t += 1")]);
    let (said, test, other) = if rng.chance(50) {
        ("positive".to_owned(), "n > 0".to_owned(), "n >= 0".to_owned())
    } else {
        (format!("at least {k}"), format!("n >= {k}"), format!("n > {k}"))
    };
    let d = rng.between(2, 6);
    let doc = format!("{whole} the numbers n, n - {d}, n - {} and so on, as long as they are {said}.", 2 * d);
    let name = name(rng, &["step_down"]);
    let solution = format!("{start}\nwhile {test}:\n    {add}\n    n -= {d}\nreturn t");
    Draft::closed(name, doc, &[("n", Input::Int(0, 20))], solution)
        .slip(kind::COMPARISON, &test, &other, &format!("It tests {other}; it must test {test}."))
        .plain(kind::OFF_BY_ONE, &format!("n -= {d}"), &format!("n -= {}", d + 1))
        .slip(kind::INITIAL, "t = 0", "t = 1", "t begins as 1; it must begin as 0.")
        .slip(
            kind::ORDER,
            &format!("    {add}\n    n -= {d}"),
            &format!("    n -= {d}\n    {add}"),
            &format!("It subtracts first; it must begin with {add}."),
        )
}
