use std::fs::File;
use std::io::{self, BufWriter, Cursor, Read};
use std::path::Path;

use erlmcp_record::squeeze;

use super::contents::{Hashing, listed};
use super::{BUNDLE_VERSION, BundleError, Listed, MANIFEST, Manifest, SUMS};
use crate::audit::{AuditVerdict, audit};
use crate::{Analysis, exit_code};

/// A tar archive is made of these.
const TAR_BLOCK: u64 = 512;

/// Packs what the verdicts of the run in `folder` rest on into the file `to`. `packed_by` is our version.
///
/// # Errors
/// Where the folder is not that of a run, or something cannot be read or written; what was written of `to` is removed then.
pub fn pack(folder: &Path, to: &Path, packed_by: &str) -> Result<Manifest, BundleError> {
    let files = listed(folder)?;
    let summary = Analysis::from_folder(folder)?.summary();
    let manifest = Manifest {
        bundle_version: BUNDLE_VERSION,
        packed_by: packed_by.into(),
        run_id: summary.run.as_ref().map_or_else(String::new, |run| run.run_id.clone()),
        exit_code: exit_code(&summary) as u8,
        audit: match audit(folder)?.verdict {
            AuditVerdict::Valid => "valid",
            AuditVerdict::Invalid => "invalid",
            AuditVerdict::Unknown => "unknown",
        }
        .into(),
        files,
    };
    let written = write(folder, to, &manifest);
    if written.is_err() {
        let _ = std::fs::remove_file(to);
    }
    written.map(|()| manifest)
}

fn write(folder: &Path, to: &Path, manifest: &Manifest) -> Result<(), BundleError> {
    let failed = |source: io::Error| BundleError::Write { path: to.to_path_buf(), source };
    let mut target = BufWriter::new(File::create(to).map_err(failed)?);
    squeeze(Archive::of(folder, manifest), &mut target).map_err(|error| error.downcast().unwrap_or_else(failed))?;
    target.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all()).map_err(failed)
}

/// The archive as a stream, made while it is read: nothing of a long run is held or written twice.
struct Archive<'a> {
    folder: &'a Path,
    /// Still to come.
    files: std::slice::Iter<'a, Listed>,
    part: Part<'a>,
    /// The file whose header is being read.
    announced: Option<Part<'a>>,
}

enum Part<'a> {
    /// Headers, padding, the manifest.
    Bytes(Cursor<Vec<u8>>),
    File(&'a Listed, Box<Hashing<io::Take<File>>>, u64),
    End,
}

impl<'a> Archive<'a> {
    fn of(folder: &'a Path, manifest: &'a Manifest) -> Self {
        let mut json = serde_json::to_vec_pretty(manifest).expect("a manifest has only names and numbers");
        json.push(b'\n');
        let sums: String = manifest.files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect();
        let mut first = Vec::new();
        for (name, bytes) in [(MANIFEST, json), (SUMS, sums.into_bytes())] {
            first.extend(header(name, bytes.len() as u64));
            first.extend(&bytes);
            first.extend(padding(bytes.len() as u64));
        }
        Self { folder, files: manifest.files.iter(), part: Part::Bytes(Cursor::new(first)), announced: None }
    }

    /// What comes after some bytes: the file whose header they were, else the next header, else the end.
    fn next_part(&mut self) -> Result<Part<'a>, BundleError> {
        if let Some(part) = self.announced.take() {
            return Ok(part);
        }
        let Some(file) = self.files.next() else { return Ok(Part::End) };
        let path = self.folder.join(&file.name);
        let opened = File::open(&path).map_err(|source| BundleError::Read { path, source })?;
        self.announced = Some(Part::File(file, Box::new(Hashing::new(opened.take(file.bytes))), 0));
        Ok(Part::Bytes(Cursor::new(header(&file.name, file.bytes))))
    }

    fn next_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, BundleError> {
        loop {
            let read = match &mut self.part {
                Part::End => return Ok(0),
                Part::Bytes(bytes) => bytes.read(buffer).expect("reading from memory does not fail"),
                Part::File(file, reader, done) => {
                    let read = reader.read(buffer);
                    let read =
                        read.map_err(|source| BundleError::Read { path: self.folder.join(&file.name), source })?;
                    *done += read as u64;
                    read
                }
            };
            if read > 0 {
                return Ok(read);
            }
            self.part = match std::mem::replace(&mut self.part, Part::End) {
                Part::File(file, reader, done) => self.end_file(file, *reader, done)?,
                _ => self.next_part()?,
            };
        }
    }

    /// The padding after a file, and after the last one the end of the archive.
    fn end_file(&self, file: &Listed, reader: Hashing<io::Take<File>>, done: u64) -> Result<Part<'a>, BundleError> {
        if done != file.bytes || reader.sha256() != file.sha256 {
            return Err(BundleError::Changed(self.folder.join(&file.name)));
        }
        let mut bytes = padding(file.bytes);
        if self.files.len() == 0 {
            bytes.extend(vec![0; 2 * TAR_BLOCK as usize]);
        }
        Ok(Part::Bytes(Cursor::new(bytes)))
    }
}

fn header(name: &str, bytes: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).expect("the names of a run's files are short and plain");
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padding(bytes: u64) -> Vec<u8> {
    vec![0; ((TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK) as usize]
}

/// Its errors are [`BundleError`]s.
impl Read for Archive<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next_bytes(buffer).map_err(io::Error::other)
    }
}
