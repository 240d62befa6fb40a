//! JSON Lines: an object for each row, its members in the order of the columns.

use super::error::Result;
use super::table::{Cell, Column, Row, RowWriter};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::io::Write;

/// Writes rows as JSON Lines.
#[derive(Debug)]
pub struct JsonlWriter<W> {
    columns: &'static [Column],
    out: W,
}

impl<W: Write> JsonlWriter<W> {
    /// For a table of these columns.
    pub fn new(columns: &'static [Column], out: W) -> Self {
        Self { columns, out }
    }
}

impl<W: Write> RowWriter<W> for JsonlWriter<W> {
    fn write(&mut self, row: Row) -> Result<()> {
        let mut line =
            serde_json::to_vec(&Object { columns: self.columns, row: &row }).map_err(std::io::Error::from)?;
        line.push(b'\n');
        Ok(self.out.write_all(&line)?)
    }

    fn finish(mut self: Box<Self>) -> Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

struct Object<'a> {
    columns: &'a [Column],
    row: &'a [Cell],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (column, cell) in self.columns.iter().zip(self.row) {
            match cell {
                Cell::Text(text) => object.serialize_entry(column.name, text)?,
                Cell::Whole(number) => object.serialize_entry(column.name, number)?,
                Cell::Number(number) => object.serialize_entry(column.name, number)?,
                Cell::Nothing => {}
            }
        }
        object.end()
    }
}
