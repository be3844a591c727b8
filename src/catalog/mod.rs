//! What a database is: descriptors, ids, names, privileges, and the read-only `Catalog` trait.
//!
//! Descriptors are plain values; `store` writes them and `plan` reads them. SQL expressions are kept
//! as text.

mod descriptor;
mod id;
mod job;
mod privilege;
mod sequence;
mod snapshot;

pub use descriptor::{
    Check, ColumnDescriptor, DatabaseDescriptor, ForeignKey, IndexDescriptor, IndexKey,
    TableDescriptor,
};
pub use id::{ColumnId, DatabaseId, IndexId, JobId, TableId};
pub use job::{JobOutput, JobRecord, JobResume, JobStatus, OutputIdentity};
pub use privilege::{Grantee, Object, Privilege, PrivilegeSet};
pub use sequence::{
    SequenceDescriptor, SequenceOwner, SequenceRun, SequenceValue, named_sequence, not_sequence,
    not_table, split_name,
};
pub use snapshot::{Catalog, Snapshot};

/// The user that may do everything.
pub const ROOT: &str = "root";

/// The database that every new store has.
pub const DEFAULT_DATABASE: &str = "defaultdb";

/// The one schema of each database.
pub const PUBLIC_SCHEMA: &str = "public";

/// The hidden column of a table without a primary key.
pub const ROWID: &str = "rowid";
