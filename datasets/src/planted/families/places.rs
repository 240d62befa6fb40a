//! Places in a list: where something is, what is at a place, which part is taken.

use super::Family;
use crate::planted::draft::{Draft, Slip, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{Filter, Map, name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("place-of-first", "lists", 3, place_of_first),
    Family::new("places", "lists", 3, places),
    Family::new("place-of-none", "lists", 4, place_of_none),
    Family::new("place-of-largest", "lists", 3, place_of_largest),
    Family::new("nth", "lists", 3, nth),
    Family::new("every-nth", "lists", 4, every_nth),
    Family::new("first-n", "lists", 3, first_n),
    Family::new("middle", "lists", 3, middle),
    Family::new("half", "lists", 3, half),
    Family::new("part", "lists", 7, part),
];

const XS: &[(&str, Input)] = &[("xs", Input::Ints(0))];
const COUNTS: &str = "It counts from {wrong}; it must count from {right}.";

fn place_of_first(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let doc = format!("{} the place of the first {}, which has one.", verb(rng), filter.said_of_one());
    let name = name(rng, &["place", &filter.slug]);
    let condition = filter.condition();
    let solution = format!("return [i for i, x in enumerate(xs) if {condition}][0]@");
    Draft::closed(name, doc, XS, solution)
        .open(rng, COUNTS, &[("", "0"), (" + 1", "1")])
        .slips(filter.slips())
        .slip(kind::ORDER, "[0]", "[-1]", "It takes the last; it must take the first.")
}

fn places(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let doc = format!("{} the places of the {}.", verb(rng), filter.said());
    let name = name(rng, &["places", &filter.slug]);
    let condition = filter.condition();
    let solution = format!("return [@ for i, x in enumerate(xs) if {condition}]");
    Draft::closed(name, doc, XS, solution)
        .open(rng, COUNTS, &[("i", "0"), ("i + 1", "1")])
        .slips(filter.slips())
        .slip(kind::VARIABLE, "[i ", "[x ", "It takes x; it must take i.")
        .slip(kind::VARIABLE, "[i + 1 ", "[x ", "It takes x; it must take i + 1.")
}

fn place_of_none(rng: &mut Rng) -> Draft {
    let filter = Filter::numbers(rng);
    let doc = format!("{} the place of the first {}, counting from 0.", verb(rng), filter.said_of_one());
    let name = name(rng, &["place", &filter.slug]);
    let condition = filter.condition();
    let solution = format!("for i, x in enumerate(xs):\n    if {condition}:\n        return i\nreturn @");
    Draft::closed(name, doc, XS, solution)
        .open(
            rng,
            "It gives {wrong} if there is none; it must give {right}.",
            &[("-1", "-1"), ("None", "None"), ("len(xs)", "len(xs)")],
        )
        .slips(filter.slips())
        .slip(kind::VARIABLE, "return i\n", "return x\n", "It gives x; it must give i.")
        .slip(kind::OFF_BY_ONE, "return i\n", "return i + 1\n", "It counts from 1; it must count from 0.")
}

fn place_of_largest(rng: &mut Rng) -> Draft {
    let (code, other, word, opposite) =
        *rng.pick(&[("max", "min", "largest", "smallest"), ("min", "max", "smallest", "largest")]);
    let map = Map::maybe_number(rng);
    let (start, counting) = *rng.pick(&[("", "0"), (" + 1", "1")]);
    let (list, before) = if map.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = [{}]\n", map.argument(&Filter::all("xs"))))
    };
    let said = map.said(rng, &Filter::all("xs"));
    let doc = format!("{} the place of the {word} of {said}, counting from {counting}.", verb(rng));
    let name = name(rng, &["place", word]);
    let last = if start.is_empty() { " - 1" } else { "" };
    let choices = [
        (format!("{list}.index({code}({list})){start}"), "first"),
        (format!("len({list}){last} - {list}[::-1].index({code}({list}))"), "last"),
    ];
    let both = [format!("index({code}("), format!("index({other}(")];
    Draft::closed(name, doc, &[("xs", Input::Ints(2))], format!("{before}return @"))
        .open(rng, "It takes the {wrong} of several; it must take the {right}.", &choices)
        .slips(map.slips())
        .slip(
            kind::FUNCTION,
            &both[0],
            &both[1],
            &format!("It takes the {opposite}; it must take the {word}."),
        )
        .slip(kind::OFF_BY_ONE, ") + 1", ")", "It counts from 0; it must count from 1.")
}

fn nth(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let word = *rng.pick(&["number", "item"]);
    let doc = match filter.slug.as_str() {
        "" => format!("{} {word} n of xs.", verb(rng)),
        _ => format!("{} {word} n of the {}.", verb(rng), filter.said()),
    };
    let name = name(rng, &["nth", &filter.slug]);
    let (list, before) = if filter.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = {}\n", filter.list()))
    };
    let choices = [("[n]", "0"), ("[n - 1]", "1"), ("[-n]", "the end")];
    let parameters = [("xs", Input::Ints(3)), ("n", Input::Int(0, 4))];
    Draft::closed(name, doc, &parameters, format!("{before}return {list}@"))
        .open(rng, COUNTS, &choices)
        .slips(filter.slips())
        .plain(kind::OFF_BY_ONE, "[n - 1]", "[n - 2]")
        .plain(kind::OFF_BY_ONE, "[n]", "[n + 1]")
        .plain(kind::OFF_BY_ONE, "[-n]", "[-n - 1]")
}

fn every_nth(rng: &mut Rng) -> Draft {
    let (map, filter) = (Map::none("x"), Filter::some_numbers(rng));
    let said = map.said(rng, &filter);
    let (word, step, choices): (_, _, &[(&str, &str)]) = if rng.chance(50) {
        ("second", "2", &[("", "first"), ("1", "second")])
    } else {
        ("third", "3", &[("", "first"), ("1", "second"), ("2", "third")])
    };
    let doc = format!("{} every {word} of {said}.", verb(rng));
    let name = name(rng, &["every", word, &filter.slug]);
    let (list, before) = if filter.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = {}\n", filter.list()))
    };
    Draft::closed(name, doc, &[("xs", Input::Ints(3))], format!("{before}return {list}[@::{step}]"))
        .open(rng, "It begins with the {wrong}; it must begin with the {right}.", choices)
        .slips(filter.slips())
        .slips(wrong_steps(step))
}

/// What goes wrong with a slice that takes every second or third.
pub(super) fn wrong_steps(step: &str) -> [Slip; 2] {
    let other = if step == "2" { "3" } else { "2" };
    let (right, one) = (format!("::{step}]"), format!(":{step}]"));
    [
        Slip::new(
            kind::OFF_BY_ONE,
            &right,
            &format!("::{other}]"),
            &format!("It steps by {other}; it must step by {step}."),
        ),
        Slip::new(kind::OPERATOR, &right, &one, &format!("It stops at {step}; it must step by {step}.")),
    ]
}

fn first_n(rng: &mut Rng) -> Draft {
    let filter = Filter::some_numbers(rng);
    let k = rng.between(2, 4).to_string();
    let n = if rng.chance(50) { "n" } else { &k };
    let parameters: &[(&str, Input)] =
        if n == "n" { &[("xs", Input::Ints(0)), ("n", Input::Int(1, 5))] } else { XS };
    let (word, opposite, cut, wrong) = if rng.chance(60) {
        ("first", "last", format!("[:{n}]"), format!("[-{n}:]"))
    } else {
        ("last", "first", format!("[-{n}:]"), format!("[:{n}]"))
    };
    let doc = format!("{} the {word} {n} of the {}.", verb(rng), filter.said());
    let name = name(rng, &[word, &filter.slug]);
    let (list, before) = if filter.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = {}\n", filter.list()))
    };
    let choices = [
        (format!("{list}{cut}"), "what there is"),
        (format!("{list}{cut} if len({list}) >= {n} else []"), "[]"),
        (format!("{list}{cut} if len({list}) >= {n} else None"), "None"),
    ];
    Draft::closed(name, doc, parameters, format!("{before}return @"))
        .open(rng, "It gives {wrong} if there are too few; it must give {right}.", &choices)
        .slips(filter.slips())
        .slip(kind::ORDER, &cut, &wrong, &format!("It takes the {opposite}; it must take the {word}."))
}

fn middle(rng: &mut Rng) -> Draft {
    let map = Map::maybe_number(rng);
    let is_sorted = rng.chance(40);
    let said = match map.slug.as_str() {
        "" => "xs".to_owned(),
        _ => map.said(rng, &Filter::all("xs")),
    };
    let doc = if is_sorted {
        format!("{} the middle of {said}, put in ascending order.", verb(rng))
    } else {
        format!("{} the middle of {said}.", verb(rng))
    };
    let name = name(rng, &["middle", &map.slug]);
    let items = map.argument(&Filter::all("xs"));
    let (list, before) = match (is_sorted, map.slug.is_empty()) {
        (true, _) => ("ys", format!("ys = sorted({items})\n")),
        (false, true) => ("xs", String::new()),
        (false, false) => ("ys", format!("ys = [{items}]\n")),
    };
    let choices = [("len(@) // 2", "right"), ("(len(@) - 1) // 2", "left")];
    let choices = choices.map(|(code, said)| (code.replace('@', list), said));
    let draft = Draft::closed(name, doc, &[("xs", Input::Ints(1))], format!("{before}return {list}[@]"))
        .open(rng, "It takes the {wrong} one of two; it must take the {right} one.", &choices)
        .slips(map.slips())
        .slip(kind::FUNCTION, "sorted(xs)", "xs", "It does not sort; it must sort.");
    draft.plain(kind::OPERATOR, "// 2", "// 3").plain(kind::VARIABLE, "// 2", "% 2")
}

fn half(rng: &mut Rng) -> Draft {
    let map = Map::maybe_number(rng);
    let said = match map.slug.as_str() {
        "" => "xs".to_owned(),
        _ => map.said(rng, &Filter::all("xs")),
    };
    let (word, opposite, before, after) =
        *rng.pick(&[("first", "second", ":", ""), ("second", "first", "", ":")]);
    let doc = format!("{} the {word} half of {said}.", verb(rng));
    let name = name(rng, &[word, "half"]);
    let (list, made) = if map.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = [{}]\n", map.argument(&Filter::all("xs"))))
    };
    let (small, big) = (format!("len({list}) // 2"), format!("(len({list}) + 1) // 2"));
    let (with, without) = if word == "first" { (big, small) } else { (small, big) };
    let solution = format!("{made}return {list}[{before}@{after}]");
    let draft = Draft::closed(name, doc, &[("xs", Input::Ints(1))], solution).open(
        rng,
        "It gives the {wrong} half; it must give the {right} half.",
        &[(with, "bigger"), (without, "smaller")],
    );
    let right = draft.solution.split("return ").nth(1).unwrap_or_default().to_owned();
    let place = right.trim_start_matches(list).trim_matches(['[', ':', ']']);
    let turned = format!("{list}[{after}{place}{before}]");
    draft
        .slips(map.slips())
        .slip(
            kind::ORDER,
            &right,
            &turned,
            &format!("It takes the {opposite} half; it must take the {word} half."),
        )
        .plain(kind::OPERATOR, "// 2", "// 3")
}

fn part(rng: &mut Rng) -> Draft {
    let k = rng.between(1, 3);
    let filter = Filter::some_numbers(rng);
    let whole = *rng.pick(&[("", "", ""), ("the sum of ", "sum(", ")"), ("the largest of ", "max(", ")")]);
    let items = filter.said();
    let (said, cut, wrong) = match rng.below(4) {
        0 => (format!("the {items} but the first {k}"), format!("[{k}:]"), format!("[:{k}]")),
        1 => (format!("the {items} but the last {k}"), format!("[:-{k}]"), format!("[-{k}:]")),
        2 => (format!("the first {k} of the {items}"), format!("[:{k}]"), format!("[-{k}:]")),
        _ => (format!("the last {k} of the {items}"), format!("[-{k}:]"), format!("[:{k}]")),
    };
    let (list, before) = if filter.slug.is_empty() {
        ("xs", String::new())
    } else {
        ("ys", format!("ys = {}\n", filter.list()))
    };
    let doc = format!("{} {}{said}.", verb(rng), whole.0);
    let name = name(rng, &["part", &filter.slug]);
    let (one, more) = (k.to_string(), (k + 1).to_string());
    Draft::closed(name, doc, XS, format!("{before}return {}{list}{cut}{}", whole.1, whole.2))
        .slips(filter.slips())
        .plain(kind::ORDER, &cut, &wrong)
        .plain(kind::OFF_BY_ONE, &cut, &cut.replace(&one, &more))
        .slip(
            kind::NO_MAP,
            &format!("{list}{cut}"),
            list,
            &format!("It takes all of {list}; it must take {list}{cut}."),
        )
        .plain(kind::FUNCTION, "sum(", "max(")
        .plain(kind::FUNCTION, "max(", "min(")
}
