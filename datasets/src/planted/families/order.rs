//! Lists put into an order, joined, and freed from repeats.

use super::Family;
use crate::planted::draft::{Draft, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{Filter, Map, name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("sorted", "lists", 6, sorted),
    Family::new("ordered", "lists", 3, ordered),
    Family::new("different", "lists", 4, different),
    Family::new("put", "lists", 3, put),
    Family::new("remove", "lists", 1, remove),
    Family::new("joined", "lists", 1, joined),
    Family::new("rotated", "lists", 1, rotated),
    Family::new("differences", "lists", 2, differences),
    Family::new("most-frequent", "lists", 3, most_frequent),
    Family::new("written", "lists", 4, written),
];

const XS: &[(&str, Input)] = &[("xs", Input::Ints(0))];

fn sorted(rng: &mut Rng) -> Draft {
    let (map, filter) = (Map::maybe_number(rng), Filter::some_numbers(rng));
    let said = map.said(rng, &filter);
    let doc = if rng.chance(50) { format!("Sort {said}.") } else { format!("{} {said}, sorted.", verb(rng)) };
    let name = name(rng, &["sorted", &filter.slug, &map.slug]);
    let (items, more) = if map.slug.is_empty() {
        (filter.argument(false), filter.argument(true))
    } else {
        (map.argument(&filter), format!("({})", map.argument(&filter)))
    };
    let choices = [
        (format!("sorted({items})"), "upwards"),
        (format!("sorted({more}, reverse=True)"), "downwards"),
        (format!("sorted(set({items}))"), "upwards without repeats"),
        (format!("sorted(set({items}), reverse=True)"), "downwards without repeats"),
    ];
    Draft::closed(name, doc, XS, "return @".to_owned())
        .open(rng, "It sorts {wrong}; it must sort {right}.", &choices)
        .slips(filter.slips())
        .slips(map.slips())
}

fn ordered(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let k = rng.between(2, 3);
    let (word, way, wrong_way, reverse, other) = *rng.pick(&[
        ("smallest", "ascending", "downwards", "", ", reverse=True"),
        ("largest", "descending", "upwards", ", reverse=True", ""),
    ]);
    let said = filter.said();
    let (doc, cut) = if rng.chance(50) {
        (format!("{} the {k} {word} of the {said} in {way} order.", verb(rng)), format!("[:{k}]"))
    } else {
        (format!("{} the {said} in {way} order.", verb(rng)), String::new())
    };
    let name = name(rng, &[way, &filter.slug]);
    let items = filter.list();
    let right_way = if wrong_way == "upwards" { "downwards" } else { "upwards" };
    Draft::closed(name, doc, XS, format!("return sorted({items}{reverse}){cut}"))
        .slips(filter.slips())
        .slip(
            kind::ORDER,
            &format!("sorted({items}{reverse})"),
            &format!("sorted({items}{other})"),
            &format!("It sorts {wrong_way}; it must sort {right_way}."),
        )
        .slip(
            kind::FUNCTION,
            &format!("sorted({items}{reverse})"),
            &format!("list({items})"),
            &format!("It does not sort; it must sort {right_way}."),
        )
        .plain(kind::OFF_BY_ONE, &cut, &format!("[:{}]", k - 1))
}

fn different(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let doc = format!("{} the different {}.", verb(rng), filter.said());
    let name = name(rng, &["different", &filter.slug]);
    let items = filter.argument(false);
    let list = filter.list();
    let once = if filter.slug.is_empty() {
        "[x for x in xs if xs.count(x) == 1]".to_owned()
    } else {
        format!("[x {} and xs.count(x) == 1]", filter.clause())
    };
    let choices = [
        (format!("list(dict.fromkeys({items}))"), "each where it comes first"),
        (format!("sorted(set({items}))"), "each once, sorted"),
        (format!("list(dict.fromkeys({list}[::-1]))"), "each once, from the end"),
        (once, "those that come once"),
    ];
    Draft::closed(name, doc, XS, "return @".to_owned())
        .open(rng, "It gives {wrong}; it must give {right}.", &choices)
        .slips(filter.slips())
}

fn put(rng: &mut Rng) -> Draft {
    let k = rng.between(0, 9).to_string();
    let (said, parameters): (&str, &[(&str, Input)]) =
        if rng.chance(50) { (&k, XS) } else { ("k", &[("xs", Input::Ints(0)), ("k", Input::Int(0, 9))]) };
    let filter = Filter::some_numbers(rng);
    let doc = match filter.slug.as_str() {
        "" => format!("Put {said} into xs."),
        _ => format!("Put {said} into the list of the {}.", filter.said()),
    };
    let name = name(rng, &["put", &filter.slug]);
    let list = filter.list();
    let choices = [
        (format!("{list} + [{said}]"), "at the end"),
        (format!("[{said}] + {list}"), "at the front"),
        (format!("sorted({list} + [{said}])"), "in order"),
    ];
    Draft::closed(name, doc, parameters, "return @".to_owned())
        .open(rng, "It puts it {wrong}; it must put it {right}.", &choices)
        .slips(filter.slips())
        .plain(kind::OFF_BY_ONE, &format!("[{said}]"), &format!("[{said} + 1]"))
}

fn remove(rng: &mut Rng) -> Draft {
    let verb = *rng.pick(&["Remove k from", "Take k out of", "Drop k from", "Delete k from"]);
    let doc = format!("{verb} xs, which has it.");
    let name = name(rng, &["remove"]);
    let choices = [
        ("return [x for x in xs if x != k]", "every"),
        ("i = xs.index(k)\nreturn xs[:i] + xs[i + 1:]", "the first"),
        ("i = len(xs) - xs[::-1].index(k)\nreturn xs[:i - 1] + xs[i:]", "the last"),
    ];
    Draft::closed(name, doc, &[("xs", Input::Ints(1)), ("k", Input::Member)], "@".to_owned())
        .open(rng, "It removes {wrong} k; it must remove {right} k.", &choices)
        .plain(kind::COMPARISON, "x != k", "x == k")
        .plain(kind::COMPARISON, "x != k", "x > k")
        .plain(kind::OFF_BY_ONE, "xs[i + 1:]", "xs[i:]")
        .plain(kind::OFF_BY_ONE, "xs[i + 1:]", "xs[i + 2:]")
        .plain(kind::OFF_BY_ONE, "xs[:i - 1]", "xs[:i]")
}

fn joined(rng: &mut Rng) -> Draft {
    let doc = (*rng.pick(&[
        "Join xs and ys into one list.",
        "Return the numbers in xs and ys in one list.",
        "Make one list of xs and ys.",
    ]))
    .to_owned();
    let name = name(rng, &["join"]);
    let choices = [
        ("xs + ys", "xs first"),
        ("ys + xs", "ys first"),
        ("sorted(xs + ys)", "all in order"),
        ("list(dict.fromkeys(xs + ys))", "each number once"),
    ];
    Draft::closed(name, doc, &[("xs", Input::Ints(0)), ("ys", Input::Ints(0))], "return @".to_owned())
        .open(rng, "It gives {wrong}; it must give {right}.", &choices)
        .plain(kind::VARIABLE, "xs + ys", "xs + xs")
        .plain(kind::VARIABLE, "ys + xs", "ys + ys")
}

fn rotated(rng: &mut Rng) -> Draft {
    let k = rng.between(1, 3);
    let (said, place, wrong) = match rng.below(2) {
        0 => (k.to_string(), k.to_string(), (k + 1).to_string()),
        _ => ("n".to_owned(), "n".to_owned(), "n - 1".to_owned()),
    };
    let parameters: &[(&str, Input)] = if said == "n" {
        &[("xs", Input::Ints(3)), ("n", Input::Place(1, -1))]
    } else {
        &[("xs", Input::Ints(4))]
    };
    let verb = *rng.pick(&["Rotate", "Turn"]);
    let doc = format!("{verb} xs by {said}.");
    let name = name(rng, &["rotate"]);
    let choices = [
        (format!("xs[{place}:] + xs[:{place}]"), "to the left"),
        (format!("xs[-{place}:] + xs[:-{place}]"), "to the right"),
    ];
    Draft::closed(name, doc, parameters, "return @".to_owned())
        .open(rng, "It turns {wrong}; it must turn {right}.", &choices)
        .plain(kind::OFF_BY_ONE, &format!("[:{place}]"), &format!("[:{wrong}]"))
        .plain(kind::OFF_BY_ONE, &format!("[:-{place}]"), "[:-1]")
        .plain(kind::VARIABLE, "+ xs", "+ xs[::-1]")
}

fn differences(rng: &mut Rng) -> Draft {
    let map = Map::maybe_number(rng);
    let doc = format!(
        "{} the differences of neighbours in {}.",
        verb(rng),
        match map.slug.as_str() {
            "" => "xs".to_owned(),
            _ => map.said(rng, &Filter::all("xs")),
        }
    );
    let name = name(rng, &["differences", &map.slug]);
    let (list, before) = if map.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = [{}]\n", map.argument(&Filter::all("xs"))))
    };
    let choices = [("b - a", "b - a"), ("a - b", "a - b"), ("abs(a - b)", "abs(a - b)")];
    let solution = format!("{before}return [@ for a, b in zip({list}, {list}[1:])]");
    Draft::closed(name, doc, &[("xs", Input::Ints(1))], solution)
        .open(rng, "It takes {wrong}; it must take {right}.", &choices)
        .slips(map.slips())
        .plain(kind::OFF_BY_ONE, &format!("{list}[1:]"), &format!("{list}[2:]"))
        .plain(kind::OPERATOR, "a - b", "a + b")
        .plain(kind::OPERATOR, "b - a", "b + a")
}

fn most_frequent(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let doc = match rng.below(2) {
        0 => format!("{} the most frequent of the {}.", verb(rng), filter.said()),
        _ => format!("{} the {} that comes most often.", verb(rng), filter.said_of_one()),
    };
    let name = name(rng, &["frequent", &filter.slug]);
    let (list, before) = if filter.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = {}\n", filter.list()))
    };
    let choices = [
        (list.to_owned(), "first"),
        (format!("{list}[::-1]"), "last"),
        (format!("sorted({list})"), "smallest"),
    ];
    let solution = format!("{before}return max(@, key={list}.count)");
    Draft::closed(name, doc, &[("xs", Input::Ints(3))], solution)
        .open(rng, "It takes the {wrong} of several; it must take the {right}.", &choices)
        .slips(filter.slips())
        .slip(kind::FUNCTION, "max(", "min(", "It takes the rarest; it must take the most frequent.")
}

fn written(rng: &mut Rng) -> Draft {
    let (map, filter) = (Map::maybe_number(rng), Filter::some_numbers(rng));
    let verb = *rng.pick(&["Write", "Print"]);
    let doc = format!("{verb} {} as one text.", map.said(rng, &filter));
    let name = name(rng, &["write", &filter.slug, &map.slug]);
    let choices = [("' '", "spaces"), ("','", "commas"), ("'-'", "dashes"), ("''", "nothing")];
    let solution = format!("return @.join(str({}) {})", map.code(), filter.clause());
    let code = format!("str({}) ", map.code());
    Draft::closed(name, doc, XS, solution)
        .open(rng, "It puts {wrong} between them; it must put {right}.", &choices)
        .slips(filter.slips())
        .slip(kind::NO_MAP, &code, "str(x) ", &format!("It takes x; it must take {}.", map.code()))
}
