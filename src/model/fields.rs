//! Typed access to the fields of a JSON object, with errors that name the field.

use serde_json::{Map, Value};

use super::error::{ModelError, Result};

/// The fields of one object. `null` counts as absent, as it does for Hugging Face.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// In front of each field's name in errors, for objects inside objects: `rope_scaling.`.
    prefix: &'static str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(value: &'a Value, prefix: &'static str) -> Result<Self> {
        let object = value.as_object().ok_or_else(|| ModelError::config(prefix, "must be an object"))?;
        Ok(Self { object, prefix })
    }

    pub(crate) fn error(&self, name: &str, problem: impl Into<String>) -> ModelError {
        ModelError::config(format!("{}{name}", self.prefix), problem)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a String> {
        self.object.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name)
    }

    /// A whole number above zero.
    pub(crate) fn size(&self, name: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let size = value.as_u64().filter(|&size| size > 0).and_then(|size| usize::try_from(size).ok());
        size.map(Some)
            .ok_or_else(|| self.error(name, format!("must be a whole number above 0, got `{value}`")))
    }

    /// A finite number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| self.error(name, format!("must be a number, got `{value}`")))
    }

    /// A finite number above zero.
    pub(crate) fn positive(&self, name: &str) -> Result<Option<f64>> {
        let number = self.number(name)?;
        match number {
            Some(number) if number <= 0.0 => {
                Err(self.error(name, format!("must be above 0, got `{number}`")))
            }
            Some(_) | None => Ok(number),
        }
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.error(name, format!("must be true or false, got `{value}`")))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.as_str();
        text.map(Some).ok_or_else(|| self.error(name, format!("must be a string, got `{value}`")))
    }

    pub(crate) fn required<T>(&self, name: &str, value: Result<Option<T>>) -> Result<T> {
        value?.ok_or_else(|| self.error(name, "is missing"))
    }
}
