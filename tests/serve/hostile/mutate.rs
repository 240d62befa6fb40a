//! Valid JSON, made hostile: first as a tree, then as bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// JSON that also has what no `Value` can hold: a key twice, half a surrogate pair, numbers beyond any type.
#[derive(Debug, Clone)]
enum Node {
    Raw(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn of(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| {
                    (Value::String(name.clone()).to_string(), Self::of(value))
                };
                Self::Object(fields.iter().map(field).collect())
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                Self::Raw(other.to_string())
            }
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Raw(raw) => text.push_str(raw),
            Self::Array(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { "," });
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { "," });
                    text.push_str(name);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }

    fn count(&self) -> usize {
        1 + match self {
            Self::Raw(_) => 0,
            Self::Array(items) => items.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// The node at a place, in the order of the text.
    fn at(&mut self, place: usize) -> &mut Self {
        if place == 0 {
            return self;
        }
        let mut left = place - 1;
        let children: Vec<&mut Self> = match self {
            Self::Raw(_) => Vec::new(),
            Self::Array(items) => items.iter_mut().collect(),
            Self::Object(fields) => fields.iter_mut().map(|(_, value)| value).collect(),
        };
        for child in children {
            let count = child.count();
            if left < count {
                return child.at(left);
            }
            left -= count;
        }
        unreachable!("the place is within the tree")
    }

    fn change(&mut self, change: &Change) {
        match (change, self) {
            (Change::Put(raw), node) => *node = Self::Raw(raw.clone()),
            (Change::Deep(depth), node) => {
                let raw = format!("{}{}", "[".repeat(*depth), "]".repeat(*depth));
                *node = Self::Raw(raw);
            }
            (Change::Wrap, node) => *node = Self::Array(vec![node.clone()]),
            (Change::Drop(at), Self::Array(items)) if !items.is_empty() => {
                items.remove(at % items.len());
            }
            (Change::Drop(at), Self::Object(fields)) if !fields.is_empty() => {
                fields.remove(at % fields.len());
            }
            (Change::Twice(at), Self::Array(items)) if !items.is_empty() => {
                items.push(items[at % items.len()].clone());
            }
            (Change::Twice(at), Self::Object(fields)) if !fields.is_empty() => {
                fields.push(fields[at % fields.len()].clone());
            }
            (Change::Many(count), Self::Array(items)) if !items.is_empty() => {
                *items = vec![items[0].clone(); *count];
            }
            (Change::Rename(at, name), Self::Object(fields)) if !fields.is_empty() => {
                let at = at % fields.len();
                fields[at].0.clone_from(name);
            }
            (Change::Add(name, raw), Self::Object(fields)) => {
                fields.push((name.clone(), Self::Raw(raw.clone())));
            }
            (_, node) => *node = Self::Raw("null".to_owned()),
        }
    }
}

/// What is done to one node.
#[derive(Debug, Clone)]
enum Change {
    Put(String),
    Deep(usize),
    Wrap,
    Drop(usize),
    Twice(usize),
    Many(usize),
    Rename(usize, String),
    Add(String, String),
}

/// What is done to the bytes.
#[derive(Debug, Clone)]
pub(super) enum Cut {
    Truncate(usize),
    Insert(usize, Vec<u8>),
    Set(usize, u8),
    Remove(usize, usize),
}

impl Cut {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: usize| at % (bytes.len() + 1);
        match self {
            Self::Truncate(at) => bytes.truncate(place(*at)),
            Self::Insert(at, new) => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Set(at, byte) => {
                let at = place(*at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Remove(at, count) => {
                let at = place(*at);
                let end = at.saturating_add(*count).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}

/// JSON texts, and what looks like one, that have surprised readers.
const PIECES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0",
    "-0.0",
    "1.5",
    "0.1e-400",
    "1e999",
    "-1e999",
    "1E+2",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "9007199254740993",
    "100000000000000000000000000000000000000000",
    "01",
    "+1",
    "NaN",
    "Infinity",
    "\"\"",
    "\" \"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\uFEFF\"",
    "\"\\x41\"",
    "\"\u{202e}\u{0}\"",
    "\"2.0\"",
    "\"lean\"",
    "\"Python\"",
    "\"tactics\"",
    "\"import Mathlib\\nimport Nope\"",
    "\"/- open\"",
    "\"theorem t : 1 = 1 := by\"",
    "\"../../etc/passwd\"",
    "\"%00\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"\":null}",
    "{\"a\":1,\"a\":2}",
    "'x'",
    "undefined",
    "/*x*/1",
    "\"unclosed",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|number| format!("{number:e}")),
        1 => any::<i128>().prop_map(|number| number.to_string()),
        2 => "\\PC{0,30}".prop_map(|text| Value::String(text).to_string()),
        1 => (1_usize..20_000).prop_map(|length| format!("\"{}\"", "é".repeat(length))),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known = vec![
        "\"id\"",
        "\"kind\"",
        "\"code\"",
        "\"timeout\"",
        "\"candidates\"",
        "\"method\"",
        "\"params\"",
        "\"jsonrpc\"",
        "\"_meta\"",
        "\"result\"",
        "\"error\"",
        "\"__proto__\"",
        "\"\"",
        "\"\\ud800\"",
        "null",
        "1",
    ];
    prop_oneof![
        4 => proptest::sample::select(known).prop_map(str::to_owned),
        1 => "\\PC{0,10}".prop_map(|text| Value::String(text).to_string()),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<u16>().prop_map(usize::from);
    prop_oneof![
        5 => piece().prop_map(Change::Put),
        1 => prop_oneof![Just(2_usize), Just(126), Just(127), Just(128), Just(129), Just(5000)].prop_map(Change::Deep),
        1 => Just(Change::Wrap),
        2 => at.clone().prop_map(Change::Drop),
        2 => at.clone().prop_map(Change::Twice),
        1 => (0_usize..200).prop_map(Change::Many),
        2 => (at, name()).prop_map(|(at, name)| Change::Rename(at, name)),
        2 => (name(), piece()).prop_map(|(name, raw)| Change::Add(name, raw)),
    ]
}

pub(super) fn cut() -> impl Strategy<Value = Cut> {
    let at = any::<u16>().prop_map(usize::from);
    let bytes = prop_oneof![
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\xff\xfe".to_vec()),
        Just(b"\xed\xa0\x80".to_vec()),
        Just(b"\xc0\xaf".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"}".to_vec()),
        Just(b"\\".to_vec()),
        vec(any::<u8>(), 1..20),
    ];
    let start = prop_oneof![3 => at.clone(), 1 => Just(0)];
    prop_oneof![
        2 => at.clone().prop_map(Cut::Truncate),
        4 => (start, bytes).prop_map(|(at, bytes)| Cut::Insert(at, bytes)),
        2 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Cut::Set(at, byte)),
        1 => (at, 1_usize..30).prop_map(|(at, count)| Cut::Remove(at, count)),
    ]
}

/// One of these values, broken: mostly as a tree, sometimes as text, now and then not at all.
pub(super) fn broken(values: Vec<Value>) -> impl Strategy<Value = (usize, Vec<u8>)> {
    let which = 0..values.len();
    let cuts = prop_oneof![3 => Just(Vec::new()), 1 => vec(cut(), 1..3)];
    (which, vec((any::<u16>(), change()), 0..4), cuts).prop_map(move |(which, changes, cuts)| {
        let mut tree = Node::of(&values[which]);
        for (place, change) in changes {
            let place = usize::from(place) % tree.count();
            tree.at(place).change(&change);
        }
        let mut text = String::new();
        tree.write(&mut text);
        let mut bytes = text.into_bytes();
        cuts.iter().for_each(|cut| cut.apply(&mut bytes));
        (which, bytes)
    })
}
