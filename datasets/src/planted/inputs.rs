//! Arguments to try a program on: small, and near to what it asks about.

use super::python::Value;
use super::rng::Rng;

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// From the one to the other.
    Int(i64, i64),
    /// So many numbers at least, five at most.
    Ints(usize),
    /// An item of the first list, mostly.
    Item,
    /// An item of the first list.
    Member,
    /// A list of numbers, many of them from the first list.
    ItemsOf,
    /// A place of the first list: from the first number to its length plus the second.
    Place(i64, i64),
    /// The number before it, or one beside it.
    Beside,
    Letter,
    /// At least so many letters.
    Word(usize),
    /// Up to three words.
    Text,
    /// So many words at least, five at most.
    Words(usize),
}

const WORDS: [&str; 32] = [
    "ant", "apple", "bed", "bee", "bird", "bread", "cat", "city", "cup", "dad", "dog", "eel", "egg", "eve",
    "fig", "fish", "go", "hat", "ice", "lake", "level", "milk", "noon", "ox", "river", "sea", "sky", "stone",
    "sun", "tea", "tiger", "tree",
];

/// The longest list.
const MAX_ITEMS: usize = 5;

/// What a task's programs ask about, so that it is met more often than by chance.
#[derive(Debug, Default)]
pub(super) struct Near {
    numbers: Vec<i64>,
    letters: Vec<String>,
    cased: bool,
}

impl Near {
    pub(super) fn of(constants: &[Value], cased: bool) -> Self {
        let mut near = Self { cased, ..Self::default() };
        for constant in constants {
            match constant {
                Value::Int(number) if (0..=20).contains(number) => near.numbers.push(*number),
                Value::Text(text) if text.len() == 1 => near.letters.push(text.clone()),
                Value::Int(_) | Value::Text(_) | Value::None | Value::Bool(_) | Value::List(_) => {}
            }
        }
        near
    }

    /// A list of arguments, one for each parameter.
    pub(super) fn draw(&self, rng: &mut Rng, parameters: &[(&'static str, Input)]) -> Vec<Value> {
        let mut arguments: Vec<Value> = Vec::new();
        for (_, input) in parameters {
            let argument = self.argument(rng, *input, &arguments);
            arguments.push(argument);
        }
        arguments
    }

    fn argument(&self, rng: &mut Rng, input: Input, before: &[Value]) -> Value {
        match input {
            Input::Int(low, high) => Value::Int(self.number(rng, low, high)),
            Input::Ints(least) => list(rng, least, |rng| Value::Int(self.number(rng, -9, 20))),
            Input::Beside => {
                let last = before.last().map_or(Ok(0), Value::int).unwrap_or_default();
                Value::Int(if rng.chance(40) { last } else { last + rng.between(-3, 3) })
            }
            Input::Item => self.item(rng, before),
            Input::Member => match first_list(before) {
                Some(items) if !items.is_empty() => rng.pick(items).clone(),
                Some(_) | None => Value::None,
            },
            Input::ItemsOf => list(rng, 1, |rng| self.item(rng, before)),
            Input::Place(low, beyond) => {
                let length = first_list(before).map_or(0, <[Value]>::len);
                let high = i64::try_from(length).unwrap_or(0) + beyond;
                Value::Int(rng.between(low, high.max(low)))
            }
            Input::Letter => Value::Text(self.letter(rng, before)),
            Input::Word(0) if rng.chance(15) => Value::text(""),
            Input::Word(least) => self.word(rng, least),
            Input::Text => {
                let words: Vec<String> = (0..=rng.below(3)).map(|_| self.plain_word(rng)).collect();
                Value::Text(words.join(" "))
            }
            Input::Words(least) if rng.chance(25) => {
                let length = 2 + rng.below(3);
                list(rng, least, |rng| self.word_of(rng, |word| word.len() == length))
            }
            Input::Words(least) => list(rng, least, |rng| self.word(rng, 0)),
        }
    }

    fn number(&self, rng: &mut Rng, low: i64, high: i64) -> i64 {
        if !self.numbers.is_empty() && rng.chance(40) {
            let number = *rng.pick(&self.numbers) + rng.between(-1, 1);
            if (low..=high).contains(&number) {
                return number;
            }
        }
        // Small numbers are the ones that meet.
        if rng.chance(50) { rng.between(low.max(-3), high.min(9).max(low)) } else { rng.between(low, high) }
    }

    fn item(&self, rng: &mut Rng, before: &[Value]) -> Value {
        match first_list(before) {
            Some(items) if !items.is_empty() && rng.chance(75) => rng.pick(items).clone(),
            Some([Value::Text(_), ..]) => self.word(rng, 0),
            Some(_) | None => Value::Int(self.number(rng, -9, 20)),
        }
    }

    /// A letter of a text that is an argument, mostly.
    fn letter(&self, rng: &mut Rng, before: &[Value]) -> String {
        let texts: Vec<char> = before
            .iter()
            .flat_map(|value| match value {
                Value::List(items) => items.as_slice(),
                other @ (Value::Text(_) | Value::None | Value::Bool(_) | Value::Int(_)) => {
                    std::slice::from_ref(other)
                }
            })
            .flat_map(|value| value.to_string().chars().filter(char::is_ascii_alphabetic).collect::<Vec<_>>())
            .collect();
        let letter = if texts.is_empty() || rng.chance(20) {
            *rng.pick(&['a', 'e', 's', 't'])
        } else {
            *rng.pick(&texts)
        };
        if self.cased && rng.chance(30) {
            letter.to_ascii_uppercase().to_string()
        } else {
            letter.to_string()
        }
    }

    fn word(&self, rng: &mut Rng, least: usize) -> Value {
        self.word_of(rng, |word| word.len() >= least)
    }

    fn word_of(&self, rng: &mut Rng, is_wanted: impl Fn(&str) -> bool) -> Value {
        let mut word = self.plain_word(rng);
        while !is_wanted(&word) {
            word = self.plain_word(rng);
        }
        Value::Text(word)
    }

    fn plain_word(&self, rng: &mut Rng) -> String {
        let mut word = *rng.pick(&WORDS);
        if !self.letters.is_empty() && rng.chance(50) {
            let letter = rng.pick(&self.letters).to_ascii_lowercase();
            let with: Vec<&str> = WORDS.into_iter().filter(|word| word.contains(&letter)).collect();
            if !with.is_empty() {
                word = *rng.pick(&with);
            }
        }
        if !self.cased || rng.chance(40) {
            return word.to_owned();
        }
        if rng.chance(30) {
            return word.to_ascii_uppercase();
        }
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    }
}

fn first_list(before: &[Value]) -> Option<&[Value]> {
    before.iter().find_map(|value| match value {
        Value::List(items) => Some(items.as_slice()),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) => None,
    })
}

/// A list in which items come twice more often than by chance.
fn list(rng: &mut Rng, least: usize, item: impl Fn(&mut Rng) -> Value) -> Value {
    let length = if least == 0 && rng.chance(12) { 0 } else { least.max(1 + rng.below(MAX_ITEMS)) };
    let mut items: Vec<Value> = Vec::new();
    while items.len() < length {
        let again = !items.is_empty() && rng.chance(20);
        let next = if again { rng.pick(&items).clone() } else { item(rng) };
        items.push(next);
    }
    Value::List(items)
}
