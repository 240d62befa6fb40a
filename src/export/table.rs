//! Tables: columns with a type, and rows of cells.

use super::error::Result;
use std::io::Write;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A whole number.
    Whole,
    /// A finite number.
    Number,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The type of its cells.
    pub kind: Kind,
    /// Whether a cell may have nothing in it. A JSON object then lacks the member.
    pub is_optional: bool,
}

impl Column {
    pub(super) const fn text(name: &'static str) -> Self {
        Self { name, kind: Kind::Text, is_optional: false }
    }

    pub(super) const fn whole(name: &'static str) -> Self {
        Self { name, kind: Kind::Whole, is_optional: false }
    }

    pub(super) const fn number(name: &'static str) -> Self {
        Self { name, kind: Kind::Number, is_optional: false }
    }

    pub(super) const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// In a column of texts.
    Text(String),
    /// In a column of whole numbers.
    Whole(i64),
    /// In a column of numbers.
    Number(f64),
    /// In a column whose cells may have nothing in them.
    Nothing,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

/// One cell for each column, in their order.
pub type Row = Vec<Cell>;

/// Something that takes rows.
pub trait RowWriter<W: Write> {
    /// Takes a row, which has a cell for each column of the table.
    ///
    /// # Errors
    /// It can't be written.
    fn write(&mut self, row: Row) -> Result<()>;

    /// Writes what is left and gives back what it was written to.
    ///
    /// # Errors
    /// It can't be written.
    fn finish(self: Box<Self>) -> Result<W>;
}
