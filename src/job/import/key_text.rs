//! Keys as people read them: `(a, b)=(1, x)`.

use crate::catalog::{ColumnId, TableDescriptor};
use crate::error::Result;
use crate::job::key::KeyEncoder;
use crate::types;

/// Returns the encoded `key` of `columns` as `(a, b)=(1, x)`, PostgreSQL's form.
pub(crate) fn key_text(
    table: &TableDescriptor,
    columns: &[ColumnId],
    encoder: &KeyEncoder,
    key: &[u8],
) -> Result<String> {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (column, stored) in columns.iter().zip(encoder.decode(key)?) {
        let Some(column) = table.column_by_id(*column) else { continue };
        let mut text = String::new();
        types::print_value(&types::to_query(&column.sql_type, &stored)?, 0, &mut text);
        names.push(column.name.as_str());
        values.push(crate::error::shorten(&text));
    }
    Ok(format!("({})=({})", names.join(", "), values.join(", ")))
}
