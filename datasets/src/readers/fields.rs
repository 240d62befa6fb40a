//! Typed access to the fields of one JSON object, with errors that name the field.

use crate::error::Cause;
use crate::json::{self, Checked};
use serde_json::{Map, Value};

/// The fields of one record.
#[derive(Debug)]
pub struct Fields {
    fields: Map<String, Value>,
    /// The text that was parsed, where it is at hand; otherwise empty.
    text: String,
}

impl Fields {
    /// From the text of one JSON object.
    ///
    /// # Errors
    /// [`Cause`] if it is no JSON, no object, or has a key twice.
    pub fn parse(text: &str) -> Result<Self, Cause> {
        serde_json::from_str(text).map_err(|error| json_cause(&error)).and_then(Self::from_checked)
    }

    /// From a line that holds one JSON object, whose text is kept for [`Fields::raw`].
    ///
    /// # Errors
    /// As [`Fields::parse`].
    pub(super) fn from_line(line: String) -> Result<Self, Cause> {
        Self::parse(&line).map(|fields| Self { text: line, ..fields })
    }

    /// From fields that are known.
    #[must_use]
    pub fn from_map(fields: Map<String, Value>) -> Self {
        Self { fields, text: String::new() }
    }

    /// From a JSON value.
    ///
    /// # Errors
    /// [`Cause::RepeatedKey`], [`Cause::NotAnObject`].
    pub(super) fn from_checked(checked: Checked) -> Result<Self, Cause> {
        if let Some(key) = checked.repeated {
            return Err(Cause::RepeatedKey { key });
        }
        match checked.value {
            Value::Object(fields) => Ok(Self { fields, text: String::new() }),
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(Cause::NotAnObject { found: type_name(&other) })
            }
        }
    }

    /// A field that must be there and must be text.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn text(&self, field: &'static str) -> Result<&str, Cause> {
        let value = self.required(field)?;
        value.as_str().ok_or_else(|| wrong_type(field, "text", value))
    }

    /// A field that must be there and must be text that says something.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn non_empty(&self, field: &'static str) -> Result<&str, Cause> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            return Err(Cause::BadValue { field, detail: "it is empty".to_owned() });
        }
        Ok(text)
    }

    /// A field that may be missing or null.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn optional_text(&self, field: &'static str) -> Result<Option<&str>, Cause> {
        match self.present(field) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| wrong_type(field, "text", value)),
        }
    }

    /// A whole number that fits into `u64`.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn number(&self, field: &'static str) -> Result<u64, Cause> {
        let value = self.required(field)?;
        value.as_u64().ok_or_else(|| wrong_type(field, "a whole number", value))
    }

    /// A small whole number that may be missing or null.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn optional_small_number(&self, field: &'static str) -> Result<Option<u8>, Cause> {
        let Some(value) = self.present(field) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
        number.map(Some).ok_or_else(|| wrong_type(field, "a whole number up to 255", value))
    }

    /// A list of texts that must be there.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn texts(&self, field: &'static str) -> Result<Vec<String>, Cause> {
        texts_of(field, self.required(field)?)
    }

    /// A list of texts that may be missing or null: then it is empty.
    ///
    /// # Errors
    /// [`Cause`], with the field's name.
    pub fn optional_texts(&self, field: &'static str) -> Result<Vec<String>, Cause> {
        self.present(field).map_or_else(|| Ok(Vec::new()), |value| texts_of(field, value))
    }

    /// The value of a field, if it is there and not null.
    #[must_use]
    pub fn value(&self, field: &'static str) -> Option<&Value> {
        self.present(field)
    }

    /// The text of a field's value as it stands in the record; `None` if it is missing or null. A number of twenty digits
    /// keeps them all here, where a [`Value`] rounds it.
    pub(super) fn raw(&self, field: &'static str) -> Option<String> {
        let value = self.present(field)?;
        Some(json::member(&self.text, field).map_or_else(|| value.to_string(), str::to_owned))
    }

    /// The whole record as a value of ours.
    pub(super) fn parsed<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_value(Value::Object(self.fields.clone()))
    }

    /// Whether the field is there, be it null.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// The fields' names for a message, the first few of them.
    pub(super) fn listed(&self) -> String {
        const MAX_NAMES: usize = 8;
        let short = |name: &String| format!("`{}`", name.chars().take(40).collect::<String>());
        let mut names: Vec<String> = self.fields.keys().take(MAX_NAMES).map(short).collect();
        if self.fields.len() > MAX_NAMES {
            names.push("…".to_owned());
        }
        if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
    }

    fn required(&self, field: &'static str) -> Result<&Value, Cause> {
        self.fields.get(field).ok_or(Cause::MissingField { field })
    }

    fn present(&self, field: &'static str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }
}

fn texts_of(field: &'static str, value: &Value) -> Result<Vec<String>, Cause> {
    let items = value.as_array().ok_or_else(|| wrong_type(field, "a list of texts", value))?;
    items
        .iter()
        .map(|item| {
            item.as_str().map(str::to_owned).ok_or_else(|| wrong_type(field, "a list of texts", item))
        })
        .collect()
}

/// The error for a value of another type than `expected`.
#[must_use]
pub fn wrong_type(field: &'static str, expected: &'static str, found: &Value) -> Cause {
    Cause::WrongType { field, expected, found: type_name(found) }
}

/// What a JSON value is called in messages.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Tells a record that was cut off from one that is no JSON.
pub(super) fn json_cause(error: &serde_json::Error) -> Cause {
    if error.is_eof() {
        Cause::TruncatedJson { column: error.column() }
    } else {
        Cause::InvalidJson { detail: error.to_string() }
    }
}
