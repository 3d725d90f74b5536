//! Where a database is, and with which password; the two never meet in anything that is shown.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

const DEFAULT_PORT: u16 = 5_432;
/// A database that has taken nothing for so long is looked for anew.
const SILENCE: Duration = Duration::from_secs(5);

/// The address of a PostgreSQL database, which has no password in it: that comes from PGPASSWORD, or from the file that
/// PGPASSFILE names, or from `.pgpass` in the user's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PostgresAddress(String);

/// A text that is no address of a database. It is not repeated: it may have a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error("this is no address of a PostgreSQL database: write it as postgres://USER@HOST:PORT/DATABASE")]
    Unreadable,
    /// It has a password.
    #[error(
        "a password in --store is seen by everybody on this machine: leave it out, and set PGPASSWORD or PGPASSFILE"
    )]
    Password,
    /// It wants TLS.
    #[error("erlmcp does not speak TLS to PostgreSQL: leave sslmode out, and reach the database by a way that is safe")]
    Tls,
}

impl PostgresAddress {
    /// True for what is meant as such an address.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// All that it takes to connect, as an application of that name.
    pub(crate) fn config(&self, application: &str) -> Result<Config, AddressError> {
        let mut config: Config = self.0.parse().map_err(|_| AddressError::Unreadable)?;
        if config.get_user().is_none()
            && let Ok(user) = std::env::var("PGUSER")
        {
            config.user(user);
        }
        let password = std::env::var("PGPASSWORD").ok().or_else(|| from_passfile(&config));
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name(application).connect_timeout(SILENCE).tcp_user_timeout(SILENCE);
        Ok(config)
    }
}

impl FromStr for PostgresAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let config: Config = text.parse().map_err(|_| AddressError::Unreadable)?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        if !Self::is_meant(text) || config.get_hosts().is_empty() {
            return Err(AddressError::Unreadable);
        }
        if !matches!(config.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
            return Err(AddressError::Tls);
        }
        Ok(Self(text.to_string()))
    }
}

impl TryFrom<String> for PostgresAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<PostgresAddress> for String {
    fn from(address: PostgresAddress) -> Self {
        address.0
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn from_passfile(config: &Config) -> Option<String> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"));
    let path = std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home)?;
    let text = read_private(&path)?;
    let (host, port) = (config.get_hosts().first()?, config.get_ports().first().copied().unwrap_or(DEFAULT_PORT));
    let host = match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    password_in(&text, &[&host, &port.to_string(), database, user])
}

/// The file's text, unless others may read it too.
fn read_private(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!("{} is not used: others may read it; set its mode to 0600", path.display());
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// The password of the first line whose host, port, database and user are these, or `*`.
fn password_in(text: &str, wanted: &[&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, named) = fields.split_last()?;
        let fits = named.len() == wanted.len()
            && named.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        fits.then(|| password.clone())
    })
}

/// The fields of a line: between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, fields.last_mut()) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(characters.next()),
            (other, Some(field)) => field.push(other),
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_and_a_password_never_is() {
        let text = "postgres://me@db.example:5433/calls";
        assert_eq!(text.parse::<PostgresAddress>().expect("an address").to_string(), text);
        for (wrong, error) in [
            ("postgres://me:secret@db.example/calls", AddressError::Password),
            ("postgres://me@db.example/calls?password=secret", AddressError::Password),
            ("postgres:///calls", AddressError::Unreadable),
            ("postgres://me:secret@db.example:port/calls", AddressError::Unreadable),
            ("postgres://me@db.example/calls?sslmode=require", AddressError::Tls),
        ] {
            let found = wrong.parse::<PostgresAddress>().expect_err(wrong);
            assert_eq!(found, error, "{wrong}");
            assert!(!found.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_password_is_found_by_its_line() {
        let file = "# others\nother:5432:*:me:no\n*:5432:calls:me:se\\:cr\\\\et\n*:*:*:*:last\n";
        let of = |wanted: [&str; 4]| password_in(file, &wanted);
        assert_eq!(of(["db", "5432", "calls", "me"]).as_deref(), Some("se:cr\\et"));
        assert_eq!(of(["db", "5433", "calls", "me"]).as_deref(), Some("last"));
        assert_eq!(password_in("db:5432:calls:me:x", &["db", "5432", "calls", "you"]), None);
    }
}
