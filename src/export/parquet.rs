//! Apache Parquet: a flat table in row groups, compressed with Snappy.

use super::error::{ExportError, Result};
use super::table::{Cell, Column, Kind, Row, RowWriter};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use std::io::Write;
use std::sync::Arc;

/// Bytes of text, and rows, after which a row group is written: what is held in memory at a time.
const GROUP_BYTES: usize = 64 << 20;
const GROUP_ROWS: usize = 1 << 20;

/// Writes rows as Parquet.
#[derive(Debug)]
pub struct ParquetWriter<W: Write> {
    file: SerializedFileWriter<W>,
    group: Vec<Buffer>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// For a table of these columns.
    ///
    /// # Errors
    /// The beginning can't be written.
    pub fn new(columns: &'static [Column], out: W) -> Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = SerializedFileWriter::new(out, schema(columns)?, Arc::new(properties))?;
        let group = columns.iter().map(Buffer::new).collect();
        Ok(Self { file, group, rows: 0, bytes: 0 })
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for buffer in &mut self.group {
            let Some(mut column) = group.next_column()? else { break };
            buffer.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl<W: Write + Send> RowWriter<W> for ParquetWriter<W> {
    fn write(&mut self, row: Row) -> Result<()> {
        for (buffer, cell) in self.group.iter_mut().zip(row) {
            self.bytes += buffer.push(cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<W> {
        if self.rows > 0 {
            self.write_group()?;
        }
        Ok(self.file.into_inner()?)
    }
}

fn schema(columns: &[Column]) -> Result<TypePtr> {
    let fields: Result<Vec<TypePtr>, ParquetError> = columns
        .iter()
        .map(|column| {
            let (physical, logical) = match column.kind {
                Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Whole => (Physical::INT64, None),
                Kind::Number => (Physical::DOUBLE, None),
            };
            let repetition = if column.is_optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
            let builder = Type::primitive_type_builder(column.name, physical);
            builder.with_logical_type(logical).with_repetition(repetition).build().map(Arc::new)
        })
        .collect();
    Ok(Arc::new(Type::group_type_builder("proofloop").with_fields(fields?).build()?))
}

/// The cells of one column that are not written yet.
#[derive(Debug)]
struct Buffer {
    values: Values,
    /// For each row 1 if there is a value and 0 if there is none; only in a column where there may be none.
    levels: Option<Vec<i16>>,
}

#[derive(Debug)]
enum Values {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    Number(Vec<f64>),
}

impl Buffer {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Text => Values::Text(Vec::new()),
            Kind::Whole => Values::Whole(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
        };
        Self { values, levels: column.is_optional.then(Vec::new) }
    }

    /// Takes a cell; says how many bytes it has.
    fn push(&mut self, cell: Cell) -> Result<usize> {
        let is_there = cell != Cell::Nothing;
        let bytes = match (&mut self.values, cell) {
            (Values::Text(texts), Cell::Text(text)) => {
                let bytes = text.len();
                texts.push(ByteArray::from(text.into_bytes()));
                bytes
            }
            (Values::Whole(numbers), Cell::Whole(number)) => {
                numbers.push(number);
                size_of_val(&number)
            }
            (Values::Number(numbers), Cell::Number(number)) => {
                numbers.push(number);
                size_of_val(&number)
            }
            (_, Cell::Nothing) if self.levels.is_some() => 0,
            (Values::Text(_) | Values::Whole(_) | Values::Number(_), cell) => {
                let text = format!("{cell:?} in a column of another type");
                return Err(ExportError::Parquet(ParquetError::General(text)));
            }
        };
        if let Some(levels) = &mut self.levels {
            levels.push(is_there.into());
        }
        Ok(bytes)
    }

    /// Writes what is there and empties it.
    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let levels = self.levels.as_deref();
        match &mut self.values {
            Values::Text(texts) => {
                column.typed::<ByteArrayType>().write_batch(texts, levels, None)?;
                texts.clear();
            }
            Values::Whole(numbers) => {
                column.typed::<Int64Type>().write_batch(numbers, levels, None)?;
                numbers.clear();
            }
            Values::Number(numbers) => {
                column.typed::<DoubleType>().write_batch(numbers, levels, None)?;
                numbers.clear();
            }
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}
