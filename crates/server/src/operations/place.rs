//! Where operations are kept: in a file of this machine, or in a database that several machines share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::postgres::{AddressError, PostgresAddress};
use super::sqlite;

/// Where operations are kept. As a text it is a path, or an address that begins with `postgres://`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorePlace {
    /// A SQLite file, which is made where it is missing. One server has it at a time.
    File(PathBuf),
    /// A PostgreSQL database. Any number of servers may have it at a time.
    Postgres(PostgresAddress),
}

impl StorePlace {
    /// The same for a process with another working folder.
    pub(crate) fn absolute(self) -> Self {
        match self {
            Self::File(path) => Self::File(std::path::absolute(&path).unwrap_or(path)),
            database => database,
        }
    }

    /// There is no file, or nothing in it: a store that opened it now would begin anew.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::File(path) => sqlite::is_missing(path),
            Self::Postgres(_) => false,
        }
    }
}

impl From<&Path> for StorePlace {
    fn from(path: &Path) -> Self {
        Self::File(path.to_path_buf())
    }
}

impl FromStr for StorePlace {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if PostgresAddress::is_meant(text) {
            return text.parse().map(Self::Postgres);
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}
