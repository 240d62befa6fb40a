//! Lists of numbers: filtered, changed, and made one.

use super::Family;
use crate::planted::draft::{Draft, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{Filter, Map, Whole, name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("sum", "lists", 10, sum),
    Family::new("listed", "lists", 10, listed),
    Family::new("count", "lists", 3, count),
    Family::new("product", "lists", 3, product),
    Family::new("all-any", "lists", 3, all_any),
    Family::new("replaced", "lists", 6, replaced),
    Family::new("pairwise", "lists", 2, pairwise),
    Family::new("largest-of-none", "lists", 7, largest_of_none),
    Family::new("end-of-none", "lists", 5, end_of_none),
    Family::new("mean-of-none", "lists", 4, mean_of_none),
    Family::new("spread-of-none", "lists", 4, spread_of_none),
    Family::new("mean-rounding", "lists", 3, mean_rounding),
    Family::new("divided-rounding", "lists", 5, divided_rounding),
    Family::new("multiples-rounding", "lists", 4, multiples_rounding),
    Family::new("large", "lists", 5, large),
    Family::new("running", "lists", 4, running),
    Family::new("against-k", "lists", 8, against_k),
    Family::new("common", "lists", 4, common),
    Family::new("ends", "lists", 4, ends),
    Family::new("until", "lists", 4, until),
    Family::new("each-again", "lists", 2, each_again),
];

const XS: &[(&str, Input)] = &[("xs", Input::Ints(0))];

/// What a list without such a number gives.
const NOTHING: &[(&str, &str)] = &[("0", "0"), ("None", "None"), ("-1", "-1")];
const IF_NONE: &str = "It gives {wrong} if there is none; it must give {right}.";

fn sum(rng: &mut Rng) -> Draft {
    let (map, filter) = (Map::maybe_number(rng), Filter::some_numbers(rng));
    let said = map.said(rng, &filter);
    let doc = match rng.below(3) {
        0 => format!("Add up {said}."),
        _ => format!("{} the sum of {said}.", verb(rng)),
    };
    let name = name(rng, &["sum", &filter.slug, &map.slug]);
    Draft::closed(name, doc, XS, format!("return sum({})", map.argument(&filter)))
        .slips(filter.slips())
        .slips(map.slips())
        .slip(kind::FUNCTION, "sum(", "max(", "It takes the largest; it must take the sum.")
}

fn listed(rng: &mut Rng) -> Draft {
    let (map, filter) = loop {
        let drawn = (Map::maybe_number(rng), Filter::some_numbers(rng));
        if !(drawn.0.slug.is_empty() && drawn.1.slug.is_empty()) {
            break drawn;
        }
    };
    let verb = if rng.chance(30) { "List" } else { verb(rng) };
    let doc = format!("{verb} {}.", map.said(rng, &filter));
    let name = name(rng, &["list", &filter.slug, &map.slug]);
    Draft::closed(name, doc, XS, format!("return [{} {}]", map.code(), filter.clause()))
        .slips(filter.slips())
        .slips(map.slips())
}

fn count(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let said = filter.said();
    let doc = match rng.below(3) {
        0 => format!("Count the {said}."),
        _ => format!("{} the number of {said}.", verb(rng)),
    };
    let name = name(rng, &["count", &filter.slug]);
    let solution = format!("return len({})", filter.list());
    Draft::closed(name, doc, XS, solution)
        .slips(filter.slips())
        .slip(kind::OFF_BY_ONE, "])", "]) - 1", "It counts one too few; it must count all of them.")
        .slip(kind::FUNCTION, "len(", "sum(", "It takes the sum; it must take the number of them.")
}

fn product(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let doc = format!("{} the product of the {}.", verb(rng), filter.said());
    let name = name(rng, &["product", &filter.slug]);
    let condition = filter.condition();
    let tested = format!("    if {condition}:\n        t *= x");
    let body = if condition.is_empty() { "    t *= x" } else { tested.as_str() };
    let nothing = format!("It tests nothing; it must test {condition}.");
    Draft::closed(name, doc, XS, format!("t = 1\nfor x in xs:\n{body}\nreturn t"))
        .slips(filter.slips())
        .slip(kind::NO_FILTER, &tested, "    t *= x", &nothing)
        .slip(kind::INITIAL, "t = 1", "t = 0", "t begins as 0; it must begin as 1.")
        .slip(kind::OPERATOR, "t *= x", "t += x", "It adds x; it must multiply by x.")
}

fn all_any(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let (code, other, said, wrong) = *rng.pick(&[
        ("all", "any", "all numbers in xs are", "one"),
        ("any", "all", "some number in xs is", "all"),
    ]);
    let right = if wrong == "all" { "one" } else { "all" };
    let doc = format!("Return True if {said} {} and False if not.", filter.property());
    let name = name(rng, &[code, &filter.slug]);
    let solution = format!("return {code}({} for x in xs)", filter.condition());
    Draft::closed(name, doc, XS, solution).slips(filter.slips()).slip(
        kind::FUNCTION,
        code,
        other,
        &format!("It looks for {wrong} of them; it must look for {right} of them."),
    )
}

fn replaced(rng: &mut Rng) -> Draft {
    let (filter, k) = (Filter::numbers(rng), rng.between(0, 9));
    let said = filter.said();
    let (doc, new) = match rng.below(3) {
        0 => (format!("Replace the {said} by {k}."), k.to_string()),
        1 => (format!("Double the {said} and keep the others."), "2 * x".to_owned()),
        _ => (format!("Add {k} to the {said} and keep the others."), format!("x + {k}")),
    };
    let name = name(rng, &["replace", &filter.slug]);
    let condition = filter.condition().to_owned();
    Draft::closed(name, doc, XS, format!("return [{new} if {condition} else x for x in xs]"))
        .slips(filter.slips())
        .slip(
            kind::ARGUMENTS,
            &format!("{new} if {condition} else x"),
            &format!("x if {condition} else {new}"),
            "It changes the others; it must keep them.",
        )
        .slip(kind::NO_MAP, " else x", " else 0", "It makes the others 0; it must keep them.")
}

fn pairwise(rng: &mut Rng) -> Draft {
    let (operator, said, other) =
        *rng.pick(&[("+", "sums", "-"), ("*", "products", "+"), ("-", "differences", "+")]);
    let neighbours = rng.chance(50) && operator != "-";
    let (parameters, second, of): (&[(&str, Input)], _, _) = if neighbours {
        (XS, "xs[1:]", "neighbours in xs")
    } else {
        (&[("xs", Input::Ints(1)), ("ys", Input::Ints(1))], "ys", "the numbers in xs and ys, pair by pair")
    };
    let whole = Whole::draw(rng);
    let doc = format!("{} {}the {said} of {of}.", verb(rng), whole.said);
    let name = name(rng, &[whole.slug, said]);
    let solution =
        format!("return {}a {operator} b for a, b in zip(xs, {second}){}", whole.before, whole.after);
    Draft::closed(name, doc, parameters, solution)
        .plain(kind::OPERATOR, &format!("a {operator} b"), &format!("a {other} b"))
        .plain(kind::ARGUMENTS, "a - b", "b - a")
        .plain(kind::OFF_BY_ONE, "xs[1:]", "xs[2:]")
        .plain(kind::VARIABLE, "zip(xs, ys)", "zip(xs, xs)")
}

fn largest_of_none(rng: &mut Rng) -> Draft {
    let (map, filter) = (Map::maybe_number(rng), Filter::numbers(rng));
    let (code, other, words, opposite) = *rng.pick(&[
        ("max", "min", &["largest", "biggest"], "smallest"),
        ("min", "max", &["smallest", "least"], "largest"),
    ]);
    let word = *rng.pick(words);
    let doc = format!("{} the {word} of {}.", verb(rng), map.said(rng, &filter));
    let name = name(rng, &[word, &filter.slug, &map.slug]);
    let items =
        if map.slug.is_empty() { filter.argument(true) } else { format!("({})", map.argument(&filter)) };
    Draft::closed(name, doc, XS, format!("return {code}({items}, default=@)"))
        .open(rng, IF_NONE, NOTHING)
        .slips(filter.slips())
        .slips(map.slips())
        .slip(kind::FUNCTION, code, other, &format!("It takes the {opposite}; it must take the {word}."))
        .unguarded(", default=")
}

fn end_of_none(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let (word, place, wrong, opposite) =
        *rng.pick(&[("first", "ys[0]", "ys[-1]", "last"), ("last", "ys[-1]", "ys[0]", "first")]);
    let doc = format!("{} the {word} of the {}.", verb(rng), filter.said());
    let name = name(rng, &[word, &filter.slug]);
    Draft::closed(name, doc, XS, format!("ys = {}\nreturn {place} if ys else @", filter.list()))
        .open(rng, IF_NONE, NOTHING)
        .slips(filter.slips())
        .slip(kind::ORDER, place, wrong, &format!("It takes the {opposite}; it must take the {word}."))
        .unguarded(" if ys else ")
}

fn mean_of_none(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let doc = format!("{} the mean of the {}, rounded down.", verb(rng), filter.said());
    let name = name(rng, &["mean", &filter.slug]);
    Draft::closed(name, doc, XS, format!("ys = {}\nreturn sum(ys) // len(ys) if ys else @", filter.list()))
        .open(rng, IF_NONE, NOTHING)
        .slips(filter.slips())
        .plain(kind::VARIABLE, "len(ys)", "len(xs)")
        .unguarded(" if ys else ")
}

fn spread_of_none(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let doc = format!("{} the largest minus the smallest of the {}.", verb(rng), filter.said());
    let name = name(rng, &["spread", &filter.slug]);
    Draft::closed(name, doc, XS, format!("ys = {}\nreturn max(ys) - min(ys) if ys else @", filter.list()))
        .open(rng, IF_NONE, &[("None", "None"), ("-1", "-1"), ("[]", "[]")])
        .slips(filter.slips())
        .plain(kind::ARGUMENTS, "max(ys) - min(ys)", "min(ys) - max(ys)")
        .plain(kind::OPERATOR, "max(ys) - min(ys)", "max(ys) + min(ys)")
        .unguarded(" if ys else ")
}

fn mean_rounding(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let doc = format!("{} the mean of the {} as a whole number.", verb(rng), filter.said());
    let name = name(rng, &["mean", &filter.slug]);
    let choices = [("sum(ys) // len(ys)", "down"), ("-(-sum(ys) // len(ys))", "up")];
    Draft::closed(name, doc, &[("xs", Input::Ints(1))], format!("ys = {}\nreturn @", filter.list()))
        .open(rng, "It rounds {wrong}; it must round {right}.", &choices)
        .slips(filter.slips())
        .plain(kind::VARIABLE, "sum(ys)", "max(ys)")
}

fn divided_rounding(rng: &mut Rng) -> Draft {
    let (filter, k) = (Filter::some_numbers(rng), rng.between(3, 7));
    let doc = format!("{} the {}, each divided by {k} as a whole number.", verb(rng), filter.said());
    let name = name(rng, &["divide", &filter.slug]);
    let choices = [
        (format!("x // {k}"), "down"),
        (format!("-(-x // {k})"), "up"),
        (format!("(2 * x + {k}) // {}", 2 * k), "to the nearest"),
    ];
    Draft::closed(name, doc, XS, format!("return [@ {}]", filter.clause()))
        .open(rng, "It rounds {wrong}; it must round {right}.", &choices)
        .slips(filter.slips())
        .plain(kind::OPERATOR, &format!("x // {k}"), &format!("x % {k}"))
}

fn multiples_rounding(rng: &mut Rng) -> Draft {
    let (filter, k) = (Filter::some_numbers(rng), rng.between(3, 9));
    let doc = format!("Round the {} to multiples of {k}.", filter.said());
    let name = name(rng, &["round", &filter.slug]);
    let choices = [
        (format!("x // {k} * {k}"), "down"),
        (format!("-(-x // {k}) * {k}"), "up"),
        (format!("(x + {}) // {k} * {k}", k / 2), "to the nearest"),
    ];
    Draft::closed(name, doc, XS, format!("return [@ {}]", filter.clause()))
        .open(rng, "It rounds {wrong}; it must round {right}.", &choices)
        .slips(filter.slips())
        .slip(
            kind::NO_MAP,
            &format!(" * {k} for"),
            " for",
            &format!("It leaves out * {k}; it must end with it."),
        )
}

fn large(rng: &mut Rng) -> Draft {
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let (word, sign, said, bounds) =
        *rng.pick(&[("large", ">", "above", ["5", "8", "10"]), ("small", "<", "below", ["2", "4", "6"])]);
    let filter = Filter::open_numbers(word, "@");
    let doc = format!("{} {}{}.", verb(rng), whole.said, map.said(rng, &filter));
    let name = name(rng, &[whole.slug, word, &map.slug]);
    let choices = bounds.map(|bound| (format!("x {sign} {bound}"), bound));
    let words = format!("It takes those {said} {{wrong}}; it must take those {said} {{right}}.");
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    let draft = Draft::closed(name, doc, XS, solution).open(rng, &words, &choices);
    let right = choices.iter().find(|(code, _)| draft.solution.contains(&format!(" if {code}")));
    let condition = right.map(|(code, _)| code.clone()).unwrap_or_default();
    let wrong = condition.replace(sign, if sign == ">" { ">=" } else { "<=" });
    draft.slips(map.slips()).slip(
        kind::COMPARISON,
        &condition,
        &wrong,
        &format!("It tests {wrong}; it must test {condition}."),
    )
}

fn running(rng: &mut Rng) -> Draft {
    let map = Map::maybe_number(rng);
    let doc = format!("{} the running sums of {}.", verb(rng), map.said(rng, &Filter::all("xs")));
    let name = name(rng, &["running", &map.slug]);
    let code = map.code();
    let solution = format!("t = 0\nts = @\nfor x in xs:\n    t += {code}\n    ts.append(t)\nreturn ts");
    Draft::closed(name, doc, XS, solution)
        .open(
            rng,
            "It begins with {wrong}; it must begin with {right}.",
            &[("[]", "the first number"), ("[0]", "0")],
        )
        .slip(
            kind::VARIABLE,
            "append(t)",
            &format!("append({code})"),
            &format!("It appends {code}; it must append t."),
        )
        .slip(kind::INITIAL, "t = 0", "t = 1", "t begins as 1; it must begin as 0.")
        .slip(kind::OPERATOR, "t += ", "t -= ", "It subtracts; it must add.")
}

fn against_k(rng: &mut Rng) -> Draft {
    let (said, condition, wrong, other) = *rng.pick(&[
        ("above k", "x > k", "x >= k", "x < k"),
        ("greater than k", "x > k", "x >= k", "x < k"),
        ("below k", "x < k", "x <= k", "x > k"),
        ("less than k", "x < k", "x <= k", "x > k"),
        ("of at least k", "x >= k", "x > k", "x <= k"),
        ("of at most k", "x <= k", "x < k", "x >= k"),
        ("other than k", "x != k", "x > k", "x == k"),
    ]);
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let filter = Filter::open_numbers_behind(&format!(" {said}"), condition);
    let doc = format!("{} {}{}.", verb(rng), whole.said, map.said(rng, &filter));
    let name = name(rng, &[whole.slug, "against", &map.slug]);
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    let tests = |wrong: &str| format!("It tests {wrong}; it must test {condition}.");
    Draft::closed(name, doc, &[("xs", Input::Ints(0)), ("k", Input::Item)], solution)
        .slips(map.slips())
        .slip(kind::COMPARISON, condition, wrong, &tests(wrong))
        .slip(kind::COMPARISON, condition, other, &tests(other))
        .slip(kind::NO_FILTER, &format!(" if {condition}"), "", &tests("nothing"))
}

fn common(rng: &mut Rng) -> Draft {
    let (said, condition, wrong) = *rng.pick(&[
        ("that ys has", "x in ys", "x not in ys"),
        ("that ys does not have", "x not in ys", "x in ys"),
    ]);
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let filter = Filter::open_numbers_behind("", condition);
    let doc = format!(
        "{} {}{}.",
        verb(rng),
        whole.said,
        map.said(rng, &filter).replace("in xs", &format!("in xs {said}"))
    );
    let name = name(rng, &[whole.slug, "common", &map.slug]);
    let solution = format!("return {}{} {}{}", whole.before, map.code(), filter.clause(), whole.after);
    let tests = |wrong: &str| format!("It tests {wrong}; it must test {condition}.");
    Draft::closed(name, doc, &[("xs", Input::Ints(1)), ("ys", Input::ItemsOf)], solution)
        .slips(map.slips())
        .slip(kind::COMPARISON, condition, wrong, &tests(wrong))
        .slip(kind::NO_FILTER, &format!(" if {condition}"), "", &tests("nothing"))
        .plain(kind::ARGUMENTS, "for x in xs", "for x in ys")
}

fn ends(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let (said, sign, wrong) = *rng.pick(&[("plus", "+", "-"), ("minus", "-", "+"), ("times", "*", "+")]);
    let doc = format!("{} the first of the {} {said} the last.", verb(rng), filter.said());
    let name = name(rng, &["ends", &filter.slug]);
    let (list, before) = if filter.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = {}\n", filter.list()))
    };
    let code = format!("{list}[0] {sign} {list}[-1]");
    Draft::closed(name, doc, &[("xs", Input::Ints(1))], format!("{before}return {code}"))
        .slips(filter.slips())
        .plain(kind::OPERATOR, &code, &format!("{list}[0] {wrong} {list}[-1]"))
        .plain(kind::OFF_BY_ONE, &code, &format!("{list}[0] {sign} {list}[-2]"))
        .plain(kind::OFF_BY_ONE, &code, &format!("{list}[1] {sign} {list}[-1]"))
}

fn until(rng: &mut Rng) -> Draft {
    let (filter, map) = (Filter::numbers(rng), Map::maybe_number(rng));
    let said = map.said(rng, &Filter::all("xs"));
    let begin = if rng.chance(50) { "Add up".to_owned() } else { format!("{} the sum of", verb(rng)) };
    let doc = format!("{begin} {said}, up to the first {}.", filter.said_of_one().replace(" in xs", ""));
    let name = name(rng, &["until", &filter.slug]);
    let (test, add) =
        (format!("    if {}:\n        return t\n", filter.condition()), format!("    t += {}\n", map.code()));
    let choices = [(format!("{test}{add}"), "before"), (format!("{add}{test}"), "after")];
    Draft::closed(name, doc, XS, "t = 0\nfor x in xs:\n@return t".to_owned())
        .open(rng, "It stops {wrong} adding it; it must stop {right} adding it.", &choices)
        .slips(filter.slips())
        .slip(kind::INITIAL, "t = 0", "t = 1", "t begins as 1; it must begin as 0.")
        .slip(kind::OPERATOR, "t += ", "t -= ", "It subtracts; it must add.")
}

fn each_again(rng: &mut Rng) -> Draft {
    let (filter, k) = (Filter::some_numbers(rng), rng.between(2, 3));
    let word = if k == 2 { "twice" } else { "three times" };
    let doc = format!("{} the {}, each {word}.", verb(rng), filter.said());
    let name = name(rng, &["again", &filter.slug]);
    Draft::closed(name, doc, XS, format!("return [x {} for i in range({k})]", filter.clause()))
        .slips(filter.slips())
        .plain(kind::OFF_BY_ONE, &format!("range({k})"), &format!("range(1, {k})"))
        .slip(
            kind::ORDER,
            &format!("[x {} for i in range({k})]", filter.clause()),
            &format!("{} * {k}", filter.list()),
            "It repeats the list; it must repeat each number.",
        )
}
