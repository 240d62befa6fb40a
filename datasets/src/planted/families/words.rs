//! Lists of words.

use super::Family;
use crate::planted::draft::{Draft, kind};
use crate::planted::inputs::Input;
use crate::planted::rng::Rng;
use crate::planted::vocabulary::{Filter, Map, name, verb};

pub(super) const FAMILIES: &[Family] = &[
    Family::new("words", "words", 8, words),
    Family::new("word-count", "words", 2, word_count),
    Family::new("word-lengths", "words", 2, word_lengths),
    Family::new("words-joined", "words", 5, words_joined),
    Family::new("longest-word", "words", 6, longest_word),
    Family::new("word-of-none", "words", 4, word_of_none),
    Family::new("long-words", "words", 3, long_words),
    Family::new("words-sorted", "words", 4, words_sorted),
    Family::new("words-with-case", "words", 4, words_with_case),
    Family::new("word-places", "words", 3, word_places),
    Family::new("words-of-text", "text", 6, words_of_text),
];

const WORDS: &[(&str, Input)] = &[("words", Input::Words(0))];

fn maybe_word(rng: &mut Rng) -> Map {
    if rng.chance(40) { Map::none("w") } else { Map::word(rng) }
}

fn words(rng: &mut Rng) -> Draft {
    let (map, filter) = (Map::word(rng), Filter::some_words(rng));
    let doc = format!("{} {}.", verb(rng), map.said(rng, &filter));
    let name = name(rng, &["words", &filter.slug, &map.slug]);
    Draft::closed(name, doc, WORDS, format!("return [{} {}]", map.code(), filter.clause()))
        .slips(filter.slips())
        .slips(map.slips())
}

fn word_count(rng: &mut Rng) -> Draft {
    let filter = Filter::words(rng);
    let doc = match rng.below(2) {
        0 => format!("Count the {}.", filter.said()),
        _ => format!("{} the number of {}.", verb(rng), filter.said()),
    };
    let name = name(rng, &["count", &filter.slug]);
    Draft::closed(name, doc, WORDS, format!("return len({})", filter.list())).slips(filter.slips()).slip(
        kind::OFF_BY_ONE,
        "])",
        "]) - 1",
        "It counts one too few; it must count all of them.",
    )
}

fn word_lengths(rng: &mut Rng) -> Draft {
    let filter = Filter::some_words(rng);
    let (said, before, after, wrong) = *rng.pick(&[
        ("the lengths of", "[", "]", ""),
        ("the total length of", "sum(", ")", "max("),
        ("the greatest length of", "max(", ")", "min("),
    ]);
    let doc = format!("{} {said} the {}.", verb(rng), filter.said());
    let name = name(rng, &["lengths", &filter.slug]);
    Draft::closed(name, doc, WORDS, format!("return {before}len(w) {}{after}", filter.clause()))
        .slips(filter.slips())
        .slip(kind::OFF_BY_ONE, "len(w) for", "len(w) - 1 for", "It takes len(w) - 1; it must take len(w).")
        .plain(kind::FUNCTION, before, if wrong.is_empty() { before } else { wrong })
}

fn words_joined(rng: &mut Rng) -> Draft {
    let (map, filter) = (maybe_word(rng), Filter::some_words(rng));
    let verb = *rng.pick(&["Join", "Write as one text", "Put together"]);
    let doc = format!("{verb} {}.", map.said(rng, &filter));
    let name = name(rng, &["join", &filter.slug, &map.slug]);
    let choices = [("' '", "spaces"), ("','", "commas"), ("'-'", "dashes"), ("''", "nothing")];
    Draft::closed(name, doc, WORDS, format!("return @.join({})", map.argument(&filter)))
        .open(rng, "It puts {wrong} between them; it must put {right}.", &choices)
        .slips(filter.slips())
        .slips(map.slips())
        .plain(kind::ORDER, "join(words)", "join(words[::-1])")
        .plain(kind::OFF_BY_ONE, "join(words)", "join(words[1:])")
}

fn longest_word(rng: &mut Rng) -> Draft {
    let filter = Filter::some_words(rng);
    let (code, other, word, opposite) =
        *rng.pick(&[("max", "min", "longest", "shortest"), ("min", "max", "shortest", "longest")]);
    let doc = format!("{} the {word} of the {}.", verb(rng), filter.said());
    let name = name(rng, &[word, &filter.slug]);
    let list = filter.list();
    let choices = [
        (filter.argument(true), "first"),
        (format!("{list}[::-1]"), "last"),
        (format!("sorted({})", filter.argument(false)), "alphabetically first"),
    ];
    Draft::closed(name, doc, &[("words", Input::Words(2))], format!("return {code}(@, key=len)"))
        .open(rng, "It takes the {wrong} of several; it must take the {right}.", &choices)
        .slips(filter.slips())
        .slip(kind::FUNCTION, code, other, &format!("It takes the {opposite}; it must take the {word}."))
        .slip(kind::NO_MAP, ", key=len", "", "It compares by the alphabet; it must compare by len.")
}

fn word_of_none(rng: &mut Rng) -> Draft {
    let filter = Filter::words(rng);
    let (word, place, wrong, opposite) =
        *rng.pick(&[("first", "ws[0]", "ws[-1]", "last"), ("last", "ws[-1]", "ws[0]", "first")]);
    let doc = format!("{} the {word} of the {}.", verb(rng), filter.said());
    let name = name(rng, &[word, &filter.slug]);
    Draft::closed(name, doc, WORDS, format!("ws = {}\nreturn {place} if ws else @", filter.list()))
        .open(
            rng,
            "It gives {wrong} if there is none; it must give {right}.",
            &[("''", "''"), ("None", "None"), ("'-'", "'-'")],
        )
        .slips(filter.slips())
        .slip(kind::ORDER, place, wrong, &format!("It takes the {opposite}; it must take the {word}."))
        .unguarded(" if ws else ")
}

fn long_words(rng: &mut Rng) -> Draft {
    let map = maybe_word(rng);
    let (word, sign, said, bounds) =
        *rng.pick(&[("long", ">", "longer", ["2", "3", "4"]), ("short", "<", "shorter", ["3", "4", "5"])]);
    let filter = Filter::open_words(&format!("{word} "), "", "@");
    let doc = format!("{} {}.", verb(rng), map.said(rng, &filter));
    let name = name(rng, &[word, "words", &map.slug]);
    let choices = bounds.map(|bound| (format!("len(w) {sign} {bound}"), bound));
    let words = format!("It takes those {said} than {{wrong}}; it must take those {said} than {{right}}.");
    Draft::closed(name, doc, WORDS, format!("return [{} {}]", map.code(), filter.clause()))
        .open(rng, &words, &choices)
        .slips(map.slips())
        .slip(
            kind::COMPARISON,
            &format!("len(w) {sign}"),
            "len(w) ==",
            &format!("It tests len(w) ==; it must test len(w) {sign}."),
        )
}

fn words_sorted(rng: &mut Rng) -> Draft {
    let filter = loop {
        let drawn = Filter::some_words(rng);
        // Words of one length are not sorted by it.
        if drawn.slug != "sized" {
            break drawn;
        }
    };
    let said = filter.said();
    let doc = if rng.chance(50) {
        format!("Sort the {said}.")
    } else {
        format!("{} the {said}, sorted.", verb(rng))
    };
    let name = name(rng, &["sort", &filter.slug]);
    let (items, more) = (filter.argument(false), filter.argument(true));
    let choices = [
        (format!("sorted({items})"), "by the alphabet"),
        (format!("sorted({more}, reverse=True)"), "against the alphabet"),
        (format!("sorted({more}, key=len)"), "by length"),
    ];
    Draft::closed(name, doc, WORDS, "return @".to_owned())
        .open(rng, "It sorts {wrong}; it must sort {right}.", &choices)
        .slips(filter.slips())
        .slip(kind::FUNCTION, "sorted(words)", "words", "It does not sort; it must sort.")
}

fn words_with_case(rng: &mut Rng) -> Draft {
    let map = maybe_word(rng);
    let c = *rng.pick(&["a", "b", "c", "d", "e", "s", "t"]);
    let (said, with, without, wrong) = match rng.below(3) {
        0 => (" that start with", format!("w[0] == '{c}'"), format!("w[0].lower() == '{c}'"), "w[-1]"),
        1 => (" that end with", format!("w[-1] == '{c}'"), format!("w[-1].lower() == '{c}'"), "w[0]"),
        _ => (" that have", format!("'{c}' in w"), format!("'{c}' in w.lower()"), "w[0]"),
    };
    let filter = Filter::open_words("", &format!("{said} '{c}'"), "@");
    let begin = *rng.pick(&["Return", "Give", "Find"]);
    let doc = format!("{begin} {}; words may have capitals.", map.said(rng, &filter));
    let name = name(rng, &["words", &map.slug]);
    let choices = [(with, "matter"), (without, "not matter")];
    Draft::closed(name, doc, WORDS, format!("return [{} {}]", map.code(), filter.clause()))
        .open(rng, "It lets capitals {wrong}; it must let them {right}.", &choices)
        .slips(map.slips())
        .slip(
            kind::OFF_BY_ONE,
            "if w[0]",
            &format!("if {wrong}"),
            &format!("It tests {wrong}; it must test w[0]."),
        )
        .slip(
            kind::OFF_BY_ONE,
            "if w[-1]",
            &format!("if {wrong}"),
            &format!("It tests {wrong}; it must test w[-1]."),
        )
        .plain(kind::COMPARISON, &format!("'{c}' in"), &format!("'{c}' not in"))
        .cased()
}

fn word_places(rng: &mut Rng) -> Draft {
    let filter = Filter::words(rng);
    let doc = format!("{} the places of the {}.", verb(rng), filter.said());
    let name = name(rng, &["places", &filter.slug]);
    let condition = filter.condition();
    Draft::closed(name, doc, WORDS, format!("return [@ for i, w in enumerate(words) if {condition}]"))
        .open(rng, "It counts from {wrong}; it must count from {right}.", &[("i", "0"), ("i + 1", "1")])
        .slips(filter.slips())
        .slip(kind::VARIABLE, "[i ", "[w ", "It takes w; it must take i.")
        .slip(kind::VARIABLE, "[i + 1 ", "[w ", "It takes w; it must take i + 1.")
}

fn words_of_text(rng: &mut Rng) -> Draft {
    let filter = Filter::some_words(rng).of_text();
    let map = maybe_word(rng);
    let whole = *rng.pick(&[("the number of ", "len([", "])"), ("", "[", "]"), ("", "[", "]")]);
    let map = if whole.0.is_empty() { map } else { Map::none("w") };
    let doc = format!("{} {}{}.", verb(rng), whole.0, map.said(rng, &filter));
    let name = name(rng, &["words", &filter.slug, &map.slug]);
    Draft::closed(
        name,
        doc,
        &[("s", Input::Text)],
        format!("return {}{} {}{}", whole.1, map.code(), filter.clause(), whole.2),
    )
    .slips(filter.slips())
    .slips(map.slips())
    .plain(kind::FUNCTION, "s.split()", "s")
    .plain(kind::OFF_BY_ONE, "s.split()", "s.split()[1:]")
}
