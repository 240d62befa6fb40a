//! Values as Python has them, as far as planted programs need them.

use super::Fault;
use std::cmp::Ordering;
use std::fmt;

/// A value. Tuples, sets and iterators are lists here: programs build them only to go through them.
#[derive(Debug, Clone)]
pub(in crate::planted) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
}

impl Value {
    pub(in crate::planted) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Python's truth.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
        }
    }

    /// A whole number; truth values are the numbers 0 and 1.
    pub(in crate::planted) fn int(&self) -> Result<i64, Fault> {
        match self {
            Self::Int(number) => Ok(*number),
            Self::Bool(truth) => Ok(i64::from(*truth)),
            Self::None | Self::Text(_) | Self::List(_) => Err(Fault::Type),
        }
    }

    pub(super) fn as_text(&self) -> Result<&str, Fault> {
        match self {
            Self::Text(text) => Ok(text),
            Self::None | Self::Bool(_) | Self::Int(_) | Self::List(_) => Err(Fault::Type),
        }
    }

    /// What one goes through: a list's items, a text's letters.
    pub(super) fn items(self) -> Result<Vec<Self>, Fault> {
        match self {
            Self::List(items) => Ok(items),
            Self::Text(text) => Ok(text.chars().map(|letter| Self::Text(letter.to_string())).collect()),
            Self::None | Self::Bool(_) | Self::Int(_) => Err(Fault::Type),
        }
    }

    /// Python's order, which not all pairs have.
    pub(super) fn order(&self, other: &Self) -> Result<Ordering, Fault> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Ok(one.cmp(other)),
            (Self::List(one), Self::List(other)) => {
                for (one, other) in one.iter().zip(other) {
                    if one != other {
                        return one.order(other);
                    }
                }
                Ok(one.len().cmp(&other.len()))
            }
            (one, other) => Ok(one.int()?.cmp(&other.int()?)),
        }
    }
}

/// Python's `==`: `True` is 1.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (one, other) => one.int().is_ok_and(|one| other.int() == Ok(one)),
        }
    }
}

/// Python's `repr`. Texts here have no quotation marks and no backslashes.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("None"),
            Self::Bool(true) => formatter.write_str("True"),
            Self::Bool(false) => formatter.write_str("False"),
            Self::Int(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "'{text}'"),
            Self::List(items) => {
                formatter.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(formatter, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                formatter.write_str("]")
            }
        }
    }
}
