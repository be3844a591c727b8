//! Ids of catalog objects. They are never used twice within a store.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident($number:ty);)+) => {$(
        $(#[doc = $doc])+
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A database.
    DatabaseId(u32);
    /// A table or sequence; unique over all databases of a store.
    TableId(u32);
    /// A column of one table; the Parquet field id in its segments.
    ColumnId(u32);
    /// An index of one table; 1 is the primary key (or the hidden row order).
    IndexId(u32);
    /// A job.
    JobId(u64);
}

impl IndexId {
    /// The primary key, or the file order of a table without one.
    pub const PRIMARY: Self = Self(1);
}
