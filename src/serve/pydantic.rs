//! Bodies at the addresses that stand in for FastAPI servers: what is wrong is told as pydantic tells it, and whole numbers
//! may come as `60.0`, as pydantic takes them. Unknown fields are passed over.

use super::App;
use super::error::ServeError;
use super::extract::json_bytes;
use axum::extract::{FromRequest, Request};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;
use serde_path_to_error::{Path, Segment};
use std::sync::Arc;
use utoipa::ToSchema;

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldFault {
    /// The way to it, from `body` on: names of fields, and positions in lists.
    pub loc: Vec<Step>,
    /// What is wrong with it.
    pub msg: String,
    /// The class of fault: `missing`, `value_error` or `json_invalid`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// A step of the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Step {
    /// Into the field of this name.
    Name(String),
    /// Into the item at this position.
    Index(usize),
}

impl FieldFault {
    /// A fault of the field at `way` below the body.
    #[must_use]
    pub fn at(way: Vec<Step>, msg: String) -> Self {
        let loc = std::iter::once(Step::Name("body".to_owned())).chain(way).collect();
        Self { loc, msg, kind: "value_error" }
    }
}

/// A body that is read so.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModelBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for ModelBody<T> {
    type Rejection = ServeError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ServeError> {
        let bytes = json_bytes(request, app).await.map_err(|error| {
            if let ServeError::Invalid(text) = error {
                ServeError::Field(FieldFault::at(Vec::new(), text))
            } else {
                error
            }
        })?;
        parse(&bytes).map(Self).map_err(ServeError::Field)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldFault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let model = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let mut fault = FieldFault::at(way(error.path()), error.inner().to_string());
        let missing = fault.msg.split_once("missing field `").and_then(|(_, rest)| rest.split_once('`'));
        if let Some((name, _)) = missing {
            fault.loc.push(Step::Name(name.to_owned()));
            (fault.msg, fault.kind) = ("Field required".to_owned(), "missing");
        } else if !error.inner().is_data() {
            fault.kind = "json_invalid";
        }
        fault
    })?;
    reader.end().map_err(|error| FieldFault {
        kind: "json_invalid",
        ..FieldFault::at(Vec::new(), error.to_string())
    })?;
    Ok(model)
}

fn way(path: &Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Name(key.clone())),
            Segment::Enum { variant } => Some(Step::Name(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

/// A whole number that is not negative; also `60.0`.
pub(super) fn whole_number<'de, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(reader)?;
    let whole =
        |number: f64| (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
    number
        .as_u64()
        .or_else(|| number.as_f64().and_then(whole))
        .ok_or_else(|| D::Error::custom(format!("`{number}` is not a whole number that is at least 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        items: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        id: String,
        #[serde(default, deserialize_with = "whole_number")]
        size: u64,
    }

    fn fault(text: &str) -> String {
        let fault = parse::<Outer>(text.as_bytes()).expect_err(text);
        let body = serde_json::to_value(fault).expect("JSON");
        format!("{} {} {}", body["loc"], body["type"].as_str().expect("a type"), body["msg"])
    }

    #[test]
    fn a_fault_names_its_field() {
        for (text, expected) in [
            ("{}", r#"["body","items"] missing "Field required""#),
            (r#"{"items":[{"id":"a"},{}]}"#, r#"["body","items",1,"id"] missing "Field required""#),
            (r#"{"items":[{"id":1}]}"#, r#"["body","items",0,"id"] value_error "invalid type: integer `1`"#),
            (
                r#"{"items":[{"id":"a","size":-1}]}"#,
                r#"["body","items",0,"size"] value_error "`-1` is not a whole"#,
            ),
            (
                r#"{"items":[{"id":"a","size":1.5}]}"#,
                r#"["body","items",0,"size"] value_error "`1.5` is not a whole"#,
            ),
            (r#"{"items":[]} x"#, r#"["body"] json_invalid "trailing characters"#),
            (r#"{"items":["#, r#"json_invalid "EOF while parsing"#),
        ] {
            assert!(fault(text).contains(expected), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn whole_numbers_may_be_written_as_floats_and_unknown_fields_are_passed_over() {
        let read: Outer = parse(br#"{"items":[{"id":"a","size":60.0,"new":[]}],"more":1}"#).expect("reads");
        assert_eq!(read.items, [Inner { id: "a".to_owned(), size: 60 }]);
    }
}
