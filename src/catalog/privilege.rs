//! Privileges: who may do what to which object.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DatabaseId, TableId};

/// Something that a user may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Privilege {
    /// Everything.
    All,
    /// Make tables in a database.
    Create,
    /// Drop the object.
    Drop,
    /// Give one's own privileges to others.
    Grant,
    /// Read rows.
    Select,
    /// Add rows.
    Insert,
    /// Remove rows.
    Delete,
    /// Change rows.
    Update,
}

impl Privilege {
    /// Every privilege, in the order of the SQL reference.
    pub const EACH: [Self; 8] = [
        Self::All,
        Self::Create,
        Self::Drop,
        Self::Grant,
        Self::Select,
        Self::Insert,
        Self::Delete,
        Self::Update,
    ];
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "ALL",
            Self::Create => "CREATE",
            Self::Drop => "DROP",
            Self::Grant => "GRANT",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Delete => "DELETE",
            Self::Update => "UPDATE",
        })
    }
}

impl FromStr for Privilege {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::EACH.into_iter().find(|privilege| privilege.to_string() == text).ok_or(())
    }
}

/// What a privilege is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Object {
    /// A database.
    Database(DatabaseId),
    /// A table or sequence.
    Table(TableId),
}

/// A user's name.
pub type Grantee = String;

/// The privileges of one user on one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivilegeSet(pub BTreeSet<Privilege>);

impl PrivilegeSet {
    /// Returns whether the set allows `privilege`, itself or by ALL.
    pub fn allows(&self, privilege: Privilege) -> bool {
        self.0.contains(&Privilege::All) || self.0.contains(&privilege)
    }

    /// Adds `privilege`; ALL takes the place of the others.
    pub fn grant(&mut self, privilege: Privilege) {
        if privilege == Privilege::All {
            self.0 = BTreeSet::from([Privilege::All]);
        } else if !self.0.contains(&Privilege::All) {
            self.0.insert(privilege);
        }
    }

    /// Takes `privilege` away; taking one away from ALL leaves the others.
    pub fn revoke(&mut self, privilege: Privilege) {
        if privilege == Privilege::All {
            self.0.clear();
            return;
        }
        if self.0.remove(&Privilege::All) {
            self.0.extend(Privilege::EACH.into_iter().filter(|each| *each != Privilege::All));
        }
        self.0.remove(&privilege);
    }

    /// Returns whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> PrivilegeSet {
        let mut set = PrivilegeSet::default();
        names.split_whitespace().for_each(|name| set.grant(name.parse().unwrap()));
        set
    }

    #[test]
    fn names_are_read_back() {
        for privilege in Privilege::EACH {
            assert_eq!(privilege.to_string().parse(), Ok(privilege));
        }
        assert!("USAGE".parse::<Privilege>().is_err());
    }

    #[test]
    fn all_stands_for_the_others() {
        assert_eq!(set("SELECT ALL INSERT"), set("ALL"));
        assert!(set("ALL").allows(Privilege::Delete));
        assert!(!set("SELECT").allows(Privilege::All));
    }

    #[test]
    fn revoking_from_all_leaves_the_others() {
        let mut privileges = set("ALL");
        privileges.revoke(Privilege::Drop);
        assert_eq!(privileges, set("CREATE GRANT SELECT INSERT DELETE UPDATE"));
        privileges.revoke(Privilege::All);
        assert!(privileges.is_empty());
    }
}
