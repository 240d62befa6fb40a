//! Bounds: whether they count, and what happens at them.

use super::Family;
use crate::planted::draft::{Draft, Slip, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{Filter, Map, Whole, name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("between", "lists", 7, between),
    Family::new("within", "lists", 4, within),
    Family::new("range", "numbers", 4, range),
    Family::new("up-to", "numbers", 3, up_to),
    Family::new("count-down", "numbers", 2, count_down),
    Family::new("at-the-limit", "numbers", 4, at_the_limit),
    Family::new("if-between", "numbers", 3, if_between),
    Family::new("larger-of-two", "numbers", 1, larger_of_two),
    Family::new("if-else", "numbers", 8, if_else),
    Family::new("clip", "numbers", 2, clip),
    Family::new("yes-no", "numbers", 4, yes_no),
    Family::new("three-ways", "numbers", 4, three_ways),
    Family::new("from-one", "numbers", 4, from_one),
];

const N: &[(&str, Input)] = &[("n", Input::Int(-9, 20))];

/// `low` and `high` with each choice of what counts, as `variable` stands between them.
fn bounds(low: &str, high: &str, variable: &str) -> [(String, String); 4] {
    [
        (format!("{low} <= {variable} <= {high}"), format!("both {low} and {high}")),
        (format!("{low} < {variable} < {high}"), format!("neither {low} nor {high}")),
        (format!("{low} <= {variable} < {high}"), format!("{low} but not {high}")),
        (format!("{low} < {variable} <= {high}"), format!("{high} but not {low}")),
    ]
}

const TAKES: &str = "It takes {wrong}; it must take {right}.";

fn between(rng: &mut Rng) -> Draft {
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let low = rng.between(1, 6);
    let high = low + rng.between(3, 6);
    let filter = Filter::open_numbers_behind(&format!(" between {low} and {high}"), "@");
    let doc = format!("{} {}{}.", verb(rng), whole.said, map.said(rng, &filter));
    let name = name(rng, &[whole.slug, "between", &map.slug]);
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    let draft = Draft::closed(name, doc, &[("xs", Input::Ints(0))], solution).open(
        rng,
        TAKES,
        &bounds(&low.to_string(), &high.to_string(), "x"),
    );
    let bound = Slip::plain(kind::OFF_BY_ONE, &high.to_string(), &(high + 1).to_string());
    draft.slips(map.slips()).slips([bound])
}

fn within(rng: &mut Rng) -> Draft {
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let (middle, d) = (rng.between(2, 9), rng.between(2, 4));
    let filter = Filter::open_numbers_behind(&format!(" within {d} of {middle}"), "@");
    let doc = format!("{} {}{}.", verb(rng), whole.said, map.said(rng, &filter));
    let name = name(rng, &[whole.slug, "near", &map.slug]);
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    let choices = [
        (format!("abs(x - {middle}) <= {d}"), format!("<= {d}")),
        (format!("abs(x - {middle}) < {d}"), format!("< {d}")),
    ];
    Draft::closed(name, doc, &[("xs", Input::Ints(0))], solution)
        .open(rng, "It tests {wrong}; it must test {right}.", &choices)
        .slips(map.slips())
        .plain(kind::OPERATOR, &format!("abs(x - {middle})"), &format!("x - {middle}"))
        .plain(kind::OPERATOR, &format!("x - {middle}"), &format!("x + {middle}"))
}

fn range(rng: &mut Rng) -> Draft {
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let filter = Filter::range("between a and b", "range(@)");
    let doc = format!("{} {}{}.", verb(rng), whole.said, map.said(rng, &filter));
    let name = name(rng, &[whole.slug, "range", &map.slug]);
    let choices = [
        ("a, b + 1", "both a and b"),
        ("a + 1, b", "neither a nor b"),
        ("a, b", "a but not b"),
        ("a + 1, b + 1", "b but not a"),
    ];
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    Draft::closed(name, doc, &[("a", Input::Int(-3, 6)), ("b", Input::Int(0, 9))], solution)
        .open(rng, TAKES, &choices)
        .slips(map.slips())
        .slip(kind::VARIABLE, "range(a", "range(0", "It begins at 0; it must begin at a.")
}

fn up_to(rng: &mut Rng) -> Draft {
    let map = Map::maybe_number(rng);
    let filter = Filter::range("up to n", "range(@)");
    let doc = format!("List {}.", map.said(rng, &filter));
    let name = name(rng, &["up_to", &map.slug]);
    let choices = [
        ("n", "0 but not n"),
        ("1, n", "neither 0 nor n"),
        ("n + 1", "both 0 and n"),
        ("1, n + 1", "n but not 0"),
    ];
    Draft::closed(
        name,
        doc,
        &[("n", Input::Int(1, 8))],
        format!("return [{} {}]", map.code(), filter.clause()),
    )
    .open(rng, TAKES, &choices)
    .slips(map.slips())
    .slip(kind::OFF_BY_ONE, "n + 1)", "n + 2)", "It has n + 2; it must have n + 1.")
    .slip(kind::OFF_BY_ONE, "n)", "n - 1)", "It has n - 1; it must have n.")
}

fn count_down(rng: &mut Rng) -> Draft {
    let map = Map::maybe_number(rng);
    let filter = Filter::range("down from n", "range(@, -1)");
    let doc = format!("List {}.", map.said(rng, &filter));
    let name = name(rng, &["down_from", &map.slug]);
    let choices = [
        ("n, 0", "n but not 0"),
        ("n, -1", "both n and 0"),
        ("n - 1, -1", "0 but not n"),
        ("n - 1, 0", "neither n nor 0"),
    ];
    Draft::closed(
        name,
        doc,
        &[("n", Input::Int(1, 8))],
        format!("return [{} {}]", map.code(), filter.clause()),
    )
    .open(rng, TAKES, &choices)
    .slips(map.slips())
    .slip(kind::OFF_BY_ONE, ", -1)", ", -2)", "It steps by -2; it must step by -1.")
}

fn at_the_limit(rng: &mut Rng) -> Draft {
    let (above, below) = *rng.pick(&[
        ("'high'", "'low'"),
        ("'big'", "'small'"),
        ("'up'", "'down'"),
        ("'over'", "'under'"),
        ("'more'", "'less'"),
        ("'A'", "'B'"),
        ("1", "-1"),
        ("n + 1", "n - 1"),
        ("2 * n", "-n"),
        ("n", "-k"),
        ("n * k", "-n"),
    ]);
    let (high, low) =
        *rng.pick(&[("above", "below"), ("greater than", "less than"), ("more than", "less than")]);
    let nothing = if above.starts_with('\'') { "''" } else { "0" };
    let doc = format!("Return {above} if n is {high} k and {below} if n is {low} k.");
    let name = name(rng, &["compare"]);
    let choices = [(above, above), (below, below), ("None", "None"), (nothing, nothing)];
    Draft::closed(
        name,
        doc,
        &[("n", Input::Int(-3, 9)), ("k", Input::Beside)],
        format!("return {above} if n > k else {below} if n < k else @"),
    )
    .open(rng, "It gives {wrong} if n is k; it must give {right}.", &choices)
    .slip(
        kind::ARGUMENTS,
        &format!("return {above} if n > k else {below} if"),
        &format!("return {below} if n > k else {above} if"),
        &format!("It gives {below} if n > k; it must give {above}."),
    )
    .plain(kind::OFF_BY_ONE, "n > k", "n > k + 1")
    .plain(kind::OFF_BY_ONE, "n < k", "n < k - 1")
}

fn if_between(rng: &mut Rng) -> Draft {
    let low = rng.between(0, 6);
    let high = low + rng.between(3, 6);
    let (said, code) = changed(rng);
    let doc = format!("Return {said} if n is between {low} and {high}, and n if not.");
    let name = name(rng, &["if_between"]);
    let [inside, outside, ..] = bounds(&low.to_string(), &high.to_string(), "n");
    let choices = [(inside.0, inside.1), (outside.0, outside.1)];
    Draft::closed(name, doc, N, format!("return {code} if @ else n"))
        .open(rng, &TAKES.replace("takes", "changes").replace("take ", "change "), &choices)
        .slip(kind::NO_MAP, " else n", " else 0", "It makes the others 0; it must keep them.")
        .plain(kind::OFF_BY_ONE, &high.to_string(), &(high + 1).to_string())
}

/// Something that is made of `n`.
fn changed(rng: &mut Rng) -> (String, String) {
    let k = rng.between(1, 9);
    match rng.below(5) {
        0 => (format!("n plus {k}"), format!("n + {k}")),
        1 => (format!("n minus {k}"), format!("n - {k}")),
        2 => (format!("n times {}", k + 1), format!("n * {}", k + 1)),
        3 => ("n squared".to_owned(), "n * n".to_owned()),
        _ => ("n negated".to_owned(), "-n".to_owned()),
    }
}

fn larger_of_two(rng: &mut Rng) -> Draft {
    let (word, sign) = *rng.pick(&[("larger", ">"), ("smaller", "<")]);
    let doc = format!("Return 'a' if a is {word} and 'b' if b is {word}.");
    let name = name(rng, &[word]);
    let choices = [("'a'", "'a'"), ("'b'", "'b'"), ("''", "''"), ("None", "None")];
    Draft::closed(
        name,
        doc,
        &[("a", Input::Int(-3, 9)), ("b", Input::Beside)],
        format!("return 'a' if a {sign} b else 'b' if b {sign} a else @"),
    )
    .open(rng, "It gives {wrong} if a and b are equal; it must give {right}.", &choices)
    .slip(
        kind::COMPARISON,
        &format!("a {sign} b else"),
        &format!("b {sign} a else"),
        &format!("It tests b {sign} a; it must test a {sign} b."),
    )
    .plain(kind::VARIABLE, &format!("b {sign} a"), &format!("b {sign} 0"))
}

fn if_else(rng: &mut Rng) -> Draft {
    let k = rng.between(0, 9);
    let (said, condition, wrong) = match rng.below(5) {
        0 => ("even".to_owned(), "n % 2 == 0".to_owned(), "n % 2 == 1".to_owned()),
        1 => ("odd".to_owned(), "n % 2 == 1".to_owned(), "n % 2 == 0".to_owned()),
        2 => (format!("above {k}"), format!("n > {k}"), format!("n >= {k}")),
        3 => (format!("below {k}"), format!("n < {k}"), format!("n <= {k}")),
        _ => (format!("at least {k}"), format!("n >= {k}"), format!("n > {k}")),
    };
    let (then, otherwise) = loop {
        let drawn = (changed(rng), changed(rng));
        if drawn.0.1 != drawn.1.1 {
            break drawn;
        }
    };
    let doc = format!("Return {} if n is {said}, and {} if not.", then.0, otherwise.0);
    let name = name(rng, &["if", said.split(' ').next().unwrap_or_default()]);
    let solution = if rng.chance(50) {
        format!("return {} if {condition} else {}", then.1, otherwise.1)
    } else {
        format!("if {condition}:\n    return {}\nreturn {}", then.1, otherwise.1)
    };
    Draft::closed(name, doc, N, solution)
        .slip(kind::COMPARISON, &condition, &wrong, &format!("It tests {wrong}; it must test {condition}."))
        .plain(kind::OPERATOR, &then.1, &otherwise.1)
        .plain(kind::OPERATOR, &format!("return {}", then.1), "return n")
}

fn clip(rng: &mut Rng) -> Draft {
    let low = rng.between(0, 5);
    let high = low + rng.between(2, 7);
    let (first, second) =
        if rng.chance(50) { ("at least", "at most") } else { ("no less than", "no more than") };
    let doc = format!("{} n, but {first} {low} and {second} {high}.", verb(rng));
    let name = name(rng, &["clip"]);
    Draft::closed(name, doc, N, format!("return max({low}, min({high}, n))"))
        .slip(
            kind::FUNCTION,
            &format!("max({low}, min({high}, n))"),
            &format!("min({low}, max({high}, n))"),
            "It has min and max swapped; it must have max outside.",
        )
        .plain(kind::NO_FILTER, &format!("max({low}, min({high}, n))"), &format!("min({high}, n)"))
        .plain(kind::NO_FILTER, &format!("max({low}, min({high}, n))"), &format!("max({low}, n)"))
        .slip(
            kind::OFF_BY_ONE,
            &format!("min({high}"),
            &format!("min({}", high - 1),
            &format!("It has {}; it must have {high}.", high - 1),
        )
}

fn yes_no(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let begin = *rng.pick(&["Tell whether", "Say whether", "Check whether"]);
    let doc = format!("{begin} x is {}.", filter.property());
    let name = name(rng, &["is", &filter.slug]);
    let condition = filter.condition();
    let said =
        |yes: &str, no: &str| (format!("'{yes}' if {condition} else '{no}'"), format!("'{yes}' or '{no}'"));
    let choices = [(condition.to_owned(), "True or False".to_owned()), said("yes", "no"), said("Y", "N")];
    Draft::closed(name, doc, &[("x", Input::Int(-9, 20))], "return @".to_owned())
        .open(rng, "It gives {wrong}; it must give {right}.", &choices)
        .slips(filter.slips())
}

fn three_ways(rng: &mut Rng) -> Draft {
    let low = rng.between(0, 5);
    let high = low + rng.between(2, 6);
    let (one, two, three) = *rng.pick(&[
        ("'low'", "'mid'", "'high'"),
        ("'small'", "'medium'", "'big'"),
        ("'A'", "'B'", "'C'"),
        ("0", "1", "2"),
        ("-n", "0", "n"),
        ("n", "2 * n", "3 * n"),
    ]);
    let doc = format!("Return {one} if n is below {low}, {two} if n is below {high}, and {three} if not.");
    let name = name(rng, &["three_ways"]);
    let (first, second) = (format!("if n < {low}:"), format!("if n < {high}:"));
    let solution = format!("{first}\n    return {one}\n{second}\n    return {two}\nreturn {three}");
    Draft::closed(name, doc, N, solution)
        .plain(kind::COMPARISON, &format!("n < {low}"), &format!("n <= {low}"))
        .plain(kind::COMPARISON, &format!("n < {high}"), &format!("n <= {high}"))
        .plain(kind::COMPARISON, &format!("n < {high}"), &format!("n > {high}"))
        .plain(kind::ARGUMENTS, &format!("return {two}"), &format!("return {one}"))
        .plain(kind::ARGUMENTS, &format!("return {three}"), &format!("return {two}"))
}

fn from_one(rng: &mut Rng) -> Draft {
    let whole = Whole::draw(rng);
    let (map, filter) = loop {
        let drawn =
            (Map::maybe_number(rng), Filter::some_numbers(rng).of_range("from 1 to n", "range(1, n + 1)"));
        if !(drawn.0.slug.is_empty() && drawn.1.slug.is_empty()) {
            break drawn;
        }
    };
    let doc = format!("{} {}{}.", verb(rng), whole.said, map.said(rng, &filter));
    let name = name(rng, &[whole.slug, &filter.slug, &map.slug]);
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    Draft::closed(name, doc, &[("n", Input::Int(0, 9))], solution)
        .slips(filter.slips())
        .slips(map.slips())
        .plain(kind::OFF_BY_ONE, "range(1, n + 1)", "range(1, n)")
        .plain(kind::INITIAL, "range(1, n + 1)", "range(2, n + 1)")
}
