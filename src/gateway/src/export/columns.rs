//! Records as Parquet: one row group after the other, one typed column after the other.

use std::io::Write;
use std::sync::Arc;

use offhook_billing::cdr::Cdr;
use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::fields::{FIELDS, Field, Kind, Value};

/// A Parquet file that is being written.
pub(super) struct Columns<W: Write + Send> {
    file: SerializedFileWriter<W>,
}

impl<W: Write + Send> Columns<W> {
    pub fn new(out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema())?);
        let creator = format!("offhook {}", env!("CARGO_PKG_VERSION"));
        let properties = WriterProperties::builder().set_created_by(creator);
        let properties = properties.set_encoding(Encoding::PLAIN).build();
        Ok(Self { file: SerializedFileWriter::new(out, schema, Arc::new(properties))? })
    }

    /// One row group.
    pub fn write(&mut self, cdrs: &[Cdr]) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for field in FIELDS {
            match field.kind() {
                Kind::Text => column::<ByteArrayType, W>(&mut group, field, cdrs, bytes)?,
                Kind::Integer | Kind::Time => {
                    column::<Int64Type, W>(&mut group, field, cdrs, integer)?;
                }
            }
        }
        group.close()?;
        Ok(())
    }

    /// Writes the footer.
    pub fn finish(self) -> Result<W, ParquetError> {
        self.file.into_inner()
    }
}

fn schema() -> String {
    let fields = FIELDS.iter().map(|field| {
        let presence = if field.always() { "required" } else { "optional" };
        let kind = match field.kind() {
            Kind::Text => ("binary", " (STRING)"),
            Kind::Integer => ("int64", ""),
            Kind::Time => ("int64", " (TIMESTAMP(MILLIS,true))"),
        };
        format!("{presence} {} {}{};", kind.0, field.name, kind.1)
    });
    format!("message cdr {{ {} }}", fields.collect::<String>())
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    field: &Field,
    cdrs: &[Cdr],
    cell: fn(Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has too few columns".into()));
    };
    let cells: Vec<Option<T::T>> = cdrs.iter().map(|cdr| cell(field.of(cdr))).collect();
    let present: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let present = (!field.always()).then_some(present.as_slice());
    column.typed::<T>().write_batch(&values, present, None)?;
    column.close()
}

fn bytes(value: Value) -> Option<ByteArray> {
    match value {
        Value::Text(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

fn integer(value: Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(number),
        Value::Time(at) => i64::try_from(at.0).ok(),
        _ => None,
    }
}
