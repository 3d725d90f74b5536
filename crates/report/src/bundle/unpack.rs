use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use erlmcp_record::squeezed;
use tempfile::TempDir;

use super::contents::{Hashing, is_of_a_run};
use super::{BUNDLE_VERSION, BundleError, MANIFEST, MANIFEST_MAX, Manifest, SUMS};

/// A bundle's run in a folder, which goes when this is dropped.
#[derive(Debug)]
pub struct Unpacked {
    pub manifest: Manifest,
    folder: TempDir,
}

impl Unpacked {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Unpacks a bundle and checks every file of it against its manifest.
///
/// # Errors
/// Where it is no bundle, is damaged, or cannot be read or written.
pub fn unpack(bundle: &Path) -> Result<Unpacked, BundleError> {
    let not_one = |what: String| BundleError::NotOne { path: bundle.to_path_buf(), what };
    let decoder = squeezed(bundle).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData => not_one("it is not compressed by zstd".into()),
        _ => BundleError::Read { path: bundle.to_path_buf(), source },
    })?;
    let folder = tempfile::Builder::new().prefix("erlmcp-bundle-").tempdir();
    let folder = folder.map_err(|source| BundleError::Write { path: std::env::temp_dir(), source })?;
    let mut archive = tar::Archive::new(decoder);
    let mut entries = archive.entries().map_err(|error| not_one(error.to_string()))?;
    let first = entries.next().transpose().map_err(|error| not_one(error.to_string()))?;
    let first = first.filter(|entry| name_of(entry).as_deref() == Some(MANIFEST));
    let manifest = manifest(first.ok_or_else(|| not_one(format!("it does not begin with {MANIFEST}")))?, bundle)?;
    let damaged = |what: String| BundleError::Damaged { path: bundle.to_path_buf(), what };
    let mut missing: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    for entry in entries {
        let entry = entry.map_err(|error| damaged(error.to_string()))?;
        let name = name_of(&entry).unwrap_or_default();
        if name == SUMS {
            continue;
        }
        let listed = manifest.files.iter().find(|file| file.name == name && missing.contains(&file.name.as_str()));
        let Some(listed) = listed else { return Err(damaged(format!("{name:?} is in it and not in its manifest"))) };
        missing.retain(|other| *other != name);
        let path = folder.path().join(&listed.name);
        let unwritable = |source| BundleError::Write { path: path.clone(), source };
        let mut target = File::create_new(&path).map_err(unwritable)?;
        let mut reader = Hashing::new(entry.take(listed.bytes + 1));
        let bytes = io::copy(&mut reader, &mut target).map_err(|error| damaged(format!("{name}: {error}")))?;
        if bytes != listed.bytes || reader.sha256() != listed.sha256 {
            return Err(damaged(format!("{name} is not the file that its manifest names")));
        }
        // As the archive has it: nobody writes it any more.
        target.set_modified(SystemTime::UNIX_EPOCH).map_err(unwritable)?;
    }
    match missing.first() {
        Some(name) => Err(damaged(format!("{name} is missing"))),
        None => Ok(Unpacked { manifest, folder }),
    }
}

/// None where it is not a plain file.
fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> Option<String> {
    if !entry.header().entry_type().is_file() {
        return None;
    }
    entry.path().ok()?.to_str().map(str::to_owned)
}

fn manifest<R: Read>(entry: tar::Entry<'_, R>, bundle: &Path) -> Result<Manifest, BundleError> {
    let not_one = |what: String| BundleError::NotOne { path: bundle.to_path_buf(), what };
    let mut text = Vec::new();
    entry.take(MANIFEST_MAX).read_to_end(&mut text).map_err(|error| not_one(error.to_string()))?;
    let version: serde_json::Value = serde_json::from_slice(&text).map_err(|error| not_one(error.to_string()))?;
    let version = version["bundle_version"].as_u64().unwrap_or(0) as u32;
    if version > BUNDLE_VERSION {
        return Err(BundleError::TooNew { path: bundle.to_path_buf(), found: version });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| not_one(error.to_string()))?;
    match manifest.files.iter().find(|file| !is_of_a_run(&file.name)) {
        Some(file) => Err(not_one(format!("{:?} is no file of a run", file.name))),
        None => Ok(manifest),
    }
}
