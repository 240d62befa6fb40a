//! Lists of numbers as a whole: what is true of each, weights, neighbours, the largest few.

use super::Family;
use crate::planted::draft::{Draft, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{Filter, Map, Whole, name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("flags", "lists", 3, flags),
    Family::new("marks", "lists", 3, marks),
    Family::new("weighted", "lists", 3, weighted),
    Family::new("largest-few", "lists", 3, largest_few),
    Family::new("neighbours", "lists", 2, neighbours),
    Family::new("pair-larger", "lists", 2, pair_larger),
];

const XS: &[(&str, Input)] = &[("xs", Input::Ints(0))];

fn flags(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let begin = *rng.pick(&["Tell", "Say", "Check"]);
    let doc = format!("{begin} for each number in xs whether it is {}: True or False.", filter.property());
    let name = name(rng, &["flags", &filter.slug]);
    Draft::closed(name, doc, XS, format!("return [{} for x in xs]", filter.condition()))
        .slips(filter.slips())
        .slip(
            kind::NO_MAP,
            &format!("[{} for x in xs]", filter.condition()),
            &format!("[x for x in xs if {}]", filter.condition()),
            "It gives the numbers; it must give True or False.",
        )
}

fn marks(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let (yes, no) =
        *rng.pick(&[("1", "0"), ("1", "-1"), ("'y'", "'n'"), ("'+'", "'-'"), ("'a'", "'b'"), ("x", "0")]);
    let doc = format!(
        "Return {yes} for each number x in xs that is {}, and {no} for the others.",
        filter.property()
    );
    let name = name(rng, &["marks", &filter.slug]);
    Draft::closed(name, doc, XS, format!("return [{yes} if {} else {no} for x in xs]", filter.condition()))
        .slips(filter.slips())
        .slip(
            kind::ARGUMENTS,
            &format!("[{yes} if {} else {no}", filter.condition()),
            &format!("[{no} if {} else {yes}", filter.condition()),
            &format!("It gives {no} for them; it must give {yes}."),
        )
        .slip(
            kind::NO_FILTER,
            &format!("{yes} if {} else {no} for x in xs", filter.condition()),
            &format!("{yes} for x in xs if {}", filter.condition()),
            &format!("It leaves out the others; it must give {no} for them."),
        )
}

fn weighted(rng: &mut Rng) -> Draft {
    let (filter, whole) = (Filter::some_numbers(rng), Whole::draw(rng));
    let (start, place, other) = *rng.pick(&[("0", "i", "i + 1"), ("1", "(i + 1)", "i")]);
    let said = filter.said();
    let doc =
        format!("{} {}the {said}, each times its place in xs, counting from {start}.", verb(rng), whole.said);
    let name = name(rng, &[whole.slug, "weighted", &filter.slug]);
    let clause = filter.clause().replace("for x in xs", "for i, x in enumerate(xs)");
    let wrong = if start == "0" { format!("({other})") } else { other.to_owned() };
    let instead = if start == "0" { "1" } else { "0" };
    let condition = filter.condition();
    Draft::closed(name, doc, XS, format!("return {}{place} * x {clause}{}", whole.before, whole.after))
        .slips(filter.slips())
        .slip(
            kind::OFF_BY_ONE,
            &format!("{place} * x"),
            &format!("{wrong} * x"),
            &format!("It counts from {instead}; it must count from {start}."),
        )
        .plain(kind::OPERATOR, &format!("{place} * x"), &format!("{place} + x"))
        .slip(
            kind::NO_FILTER,
            &format!("enumerate(xs) if {condition}"),
            "enumerate(xs)",
            &format!("It tests nothing; it must test {condition}."),
        )
}

fn largest_few(rng: &mut Rng) -> Draft {
    let (filter, k) = (Filter::some_numbers(rng), rng.between(2, 3));
    let (word, cut, other, opposite) = if rng.chance(50) {
        ("largest", format!("[-{k}:]"), format!("[:{k}]"), "smallest")
    } else {
        ("smallest", format!("[:{k}]"), format!("[-{k}:]"), "largest")
    };
    let doc = format!("{} the sum of the {k} {word} of the {}.", verb(rng), filter.said());
    let name = name(rng, &["few", word, &filter.slug]);
    let solution = format!("ys = sorted({})\nreturn sum(ys{cut})", filter.argument(false));
    Draft::closed(name, doc, XS, solution)
        .slips(filter.slips())
        .slip(kind::ORDER, &cut, &other, &format!("It takes the {opposite}; it must take the {word}."))
        .plain(kind::OFF_BY_ONE, &cut, &cut.replace(&k.to_string(), &(k - 1).to_string()))
        .slip(
            kind::FUNCTION,
            &format!("sorted({})", filter.argument(false)),
            &filter.list(),
            "It does not sort; it must sort.",
        )
}

fn neighbours(rng: &mut Rng) -> Draft {
    let (said, condition, wrong) = *rng.pick(&[
        ("smaller than the next", "a < b", "a <= b"),
        ("larger than the next", "a > b", "a >= b"),
        ("equal to the next", "a == b", "a != b"),
        ("other than the next", "a != b", "a == b"),
        ("at least the next", "a >= b", "a > b"),
    ]);
    let (whole, before, after) = *rng.pick(&[
        ("the number of numbers", "len([a", "])"),
        ("the numbers", "[a", "]"),
        ("the sum of the numbers", "sum(a", ")"),
    ]);
    let doc = format!("{} {whole} in xs that are {said}.", verb(rng));
    let name = name(rng, &["neighbours"]);
    let solution = format!("return {before} for a, b in zip(xs, xs[1:]) if {condition}{after}");
    Draft::closed(name, doc, XS, solution)
        .slip(kind::COMPARISON, condition, wrong, &format!("It tests {wrong}; it must test {condition}."))
        .plain(kind::OFF_BY_ONE, "xs[1:]", "xs[2:]")
        .slip(
            kind::NO_FILTER,
            &format!(" if {condition}"),
            "",
            &format!("It tests nothing; it must test {condition}."),
        )
}

fn pair_larger(rng: &mut Rng) -> Draft {
    let (map, whole) = (Map::maybe_number(rng), Whole::draw(rng));
    let (word, code, other, opposite) =
        *rng.pick(&[("larger", "max", "min", "smaller"), ("smaller", "min", "max", "larger")]);
    let filter = Filter::range("of xs and ys", "zip(xs, ys)");
    let said = map
        .said(rng, &filter)
        .replace("numbers of xs and ys", &format!("{word} numbers of each pair from xs and ys"));
    let doc = format!("{} {}{said}.", verb(rng), whole.said);
    let name = name(rng, &["pairs", word, &map.slug]);
    let pair = format!("{code}(a, b)");
    let solution = if map.slug.is_empty() {
        format!("return {}{pair} for a, b in zip(xs, ys){}", whole.before, whole.after)
    } else {
        let made = format!("zs = [{pair} for a, b in zip(xs, ys)]");
        format!("{made}\nreturn {}{} for x in zs{}", whole.before, map.code(), whole.after)
    };
    Draft::closed(name, doc, &[("xs", Input::Ints(1)), ("ys", Input::Ints(1))], solution)
        .slips(map.slips())
        .slip(kind::FUNCTION, code, other, &format!("It takes the {opposite}; it must take the {word}."))
        .plain(kind::VARIABLE, "zip(xs, ys)", "zip(xs, xs)")
        .plain(kind::VARIABLE, &pair, "a")
}
