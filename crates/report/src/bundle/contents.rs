use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use erlmcp_record::{find_journal, is_part};
use ring::digest::{Context, SHA256};

use super::{BundleError, Listed};

/// Files of a run's folder that are packed, where they are there: the record and the journals first.
const NAMES: [&str; 7] =
    ["journal.jsonl", "report.json", "FINAL_REPORT.md", "metrics.jsonl", "metrics.log", "run.log", "cluster.log"];

/// True for a name that may be in a bundle; none of them has a folder in it.
pub(super) fn is_of_a_run(name: &str) -> bool {
    NAMES.contains(&name)
        || is_part(name)
        || (name.starts_with("operations-") && name.ends_with(".journal") && !name.contains('/'))
}

/// What is packed of the run in `folder`, with sizes and hashes.
pub(super) fn listed(folder: &Path) -> Result<Vec<Listed>, BundleError> {
    let read = |source: io::Error| BundleError::Read { path: folder.to_path_buf(), source };
    if !find_journal(folder) {
        return Err(BundleError::NoRun(folder.to_path_buf()));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let is_file = entry.file_type().map_err(read)?.is_file();
        if let Some(name) = entry.file_name().to_str().filter(|name| is_file && is_of_a_run(name)) {
            found.push(name.to_owned());
        }
    }
    let place = |name: &String| NAMES.iter().position(|known| known == name).unwrap_or(0);
    found.sort_by_key(|name| (place(name), name != NAMES[0], name.clone()));
    found.into_iter().map(|name| hashed(folder, name)).collect()
}

fn hashed(folder: &Path, name: String) -> Result<Listed, BundleError> {
    let path = folder.join(&name);
    let hash = |path: &Path| -> io::Result<(u64, String)> {
        let mut reader = Hashing::new(File::open(path)?);
        let bytes = io::copy(&mut reader, &mut io::sink())?;
        Ok((bytes, reader.sha256()))
    };
    let (bytes, sha256) = hash(&path).map_err(|source| BundleError::Read { path, source })?;
    Ok(Listed { name, bytes, sha256 })
}

/// Hashes what is read through it.
pub(super) struct Hashing<R> {
    inner: R,
    context: Context,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, context: Context::new(&SHA256) }
    }

    /// Of all that was read, in hexadecimal digits.
    pub(super) fn sha256(self) -> String {
        self.context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.context.update(&buffer[..read]);
        Ok(read)
    }
}
