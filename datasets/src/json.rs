//! JSON values whose objects were looked through for repeated keys.
//!
//! `serde_json::Value` keeps the last of two values under one key and says nothing. In a record that would be one of two
//! proofs, or one of two statements, taken without a word.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// A value, and the first key that stands twice in one of its objects, however deep.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) value: Value,
    pub(crate) repeated: Option<String>,
}

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let repeated = RefCell::new(None);
        let value = Walk { repeated: &repeated }.deserialize(deserializer)?;
        Ok(Self { value, repeated: repeated.into_inner() })
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    repeated: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(self)?;
            if fields.contains_key(&key) {
                self.repeated.borrow_mut().get_or_insert_with(|| key.clone());
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

/// The text of the value of `key` in the text of an object. Both texts must be valid JSON: otherwise some text, or none,
/// is found.
pub(crate) fn member<'t>(object: &'t str, key: &str) -> Option<&'t str> {
    let mut at = skip_blanks(object, object.find('{')? + 1);
    while object[at..].starts_with('"') {
        let name_end = value_end(object, at);
        let name: Option<String> = serde_json::from_str(&object[at..name_end]).ok();
        let colon = skip_blanks(object, name_end);
        let start = skip_blanks(object, colon + 1);
        let end = value_end(object, start);
        if name.as_deref() == Some(key) {
            return object.get(start..end);
        }
        at = skip_blanks(object, skip_blanks(object, end) + 1);
    }
    None
}

/// The texts of the items in the text of an array; `None` if it is none.
pub(crate) fn items(array: &str) -> Option<Vec<&str>> {
    let mut at = skip_blanks(array, skip_blanks(array, 0) + 1);
    if !array.trim_start().starts_with('[') {
        return None;
    }
    let mut items = Vec::new();
    while at < array.len() && !array[at..].starts_with(']') {
        let end = value_end(array, at);
        items.push(array.get(at..end).filter(|item| !item.is_empty())?);
        at = skip_blanks(array, end);
        if array.get(at..)?.starts_with(',') {
            at = skip_blanks(array, at + 1);
        }
    }
    Some(items)
}

/// Never beyond the end, so that every result can cut the text.
fn skip_blanks(text: &str, from: usize) -> usize {
    let blanks = |rest: &str| rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    text.get(from..).map_or(text.len(), |rest| from + blanks(rest))
}

/// Where the value that begins at a byte ends.
fn value_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                at += 1;
                continue;
            }
            b']' | b'}' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let ends = |byte: &u8| b",:]} \t\n\r".contains(byte);
                return bytes[at..].iter().position(ends).map_or(bytes.len(), |length| at + length);
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Behind the closing quotation mark of a string.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_members_and_items_are_those_of_the_file() {
        let object =
            r#" { "a\u0062" : 123456789012345678901234567890 , "b":[1, {"c":"]\""}, 1e400],"d":null } "#;
        assert_eq!(member(object, "ab"), Some("123456789012345678901234567890"));
        assert_eq!(member(object, "b"), Some(r#"[1, {"c":"]\""}, 1e400]"#));
        assert_eq!(member(object, "d"), Some("null"));
        assert_eq!((member(object, "c"), member("[]", "c"), member("{}", "c")), (None, None, None));
        let found = member(object, "b").and_then(items);
        assert_eq!(found, Some(vec!["1", r#"{"c":"]\""}"#, "1e400"]));
        assert_eq!((items("[]"), items(" [ ] "), items("{}")), (Some(vec![]), Some(vec![]), None));
    }

    proptest::proptest! {
        #[test]
        fn the_text_of_an_item_is_its_value(numbers in proptest::collection::vec(proptest::prelude::any::<i64>(), 0..8), text in "\\PC{0,12}") {
            let value = serde_json::json!([numbers, {"k": text, "l": [text]}, null, text, 0.5]);
            for array in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
                let texts = items(&array).expect("an array");
                let parsed: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
                proptest::prop_assert_eq!(&Value::Array(parsed), &value);
                let object = format!("{{\"x\": 1, \"array\": {array}}}");
                proptest::prop_assert_eq!(member(&object, "array"), Some(array.as_str()));
            }
        }

        #[test]
        fn any_text_is_survived(text in "[\\[\\]{}\",:a1 \\\\é]{0,30}") {
            let _either = (member(&text, "a"), items(&text));
        }
    }

    #[test]
    fn a_repeated_key_is_found_at_any_depth_and_once_is_fine() {
        for (text, repeated) in [
            (r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}"#, None),
            (r#"{"a":1,"b":2,"a":1}"#, Some("a")),
            (r#"{"a":1,"\u0061":1}"#, Some("a")),
            (r#"[3,{"x":[{"stdin":"","stdout":"","stdin":""}]}]"#, Some("stdin")),
        ] {
            let checked: Checked = serde_json::from_str(text).expect(text);
            assert_eq!(checked.repeated.as_deref(), repeated, "{text}");
        }
    }

    #[test]
    fn values_are_those_of_serde_json() {
        let text = r#"{"a":[null,true,-3,18446744073709551615,1e3,-0.5,"\ud835\udd38 x",{}],"b":{"c":[]}}"#;
        let checked: Checked = serde_json::from_str(text).expect("JSON");
        assert_eq!(checked.value, serde_json::from_str::<Value>(text).expect("JSON"));
    }
}
