//! UUIDs made of bytes.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};

use crate::error::{Error, Result, SqlState};

/// Returns 16 bytes as the text of a UUID.
pub(super) fn uuid_from_bytes(array: &ArrayRef) -> Result<ArrayRef> {
    let values = array.as_binary::<i32>();
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        texts.push(match value {
            None => None,
            Some(bytes) => Some(
                uuid::Uuid::from_slice(bytes)
                    .map_err(|_| {
                        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, "a UUID has 16 bytes")
                    })?
                    .to_string(),
            ),
        });
    }
    Ok(Arc::new(StringViewArray::from_iter(texts)))
}
