//! A run that somebody names: its folder, or a bundle of it.

use std::path::{Path, PathBuf};

use erlmcp_record::{JournalReader, find_journal};
use erlmcp_report::bundle::{Unpacked, unpack};

/// The folder of a run; a bundle's is there as long as this is.
pub(super) enum FinishedRun {
    Folder(PathBuf),
    Bundle(Unpacked),
}

impl FinishedRun {
    /// None where it is neither, which was said then.
    ///
    /// # Errors
    /// Where a bundle cannot be unpacked, or is not as it was packed, or the record cannot be read.
    pub(super) fn find(path: &Path) -> anyhow::Result<Option<Self>> {
        if path.is_file() {
            return Ok(Some(Self::Bundle(unpack(path)?)));
        }
        let run = path.display();
        if !find_journal(path) {
            let what = match path.exists() {
                true => format!("{run} is not the folder of a run: it has no journal.jsonl"),
                false => format!("there is no {run}"),
            };
            eprintln!("erlmcp: {what}; runs are folders in test-results/, or where --output said");
            return Ok(None);
        }
        match JournalReader::open(path)?.next().transpose()? {
            Some(_) => Ok(Some(Self::Folder(path.to_path_buf()))),
            None => {
                eprintln!("erlmcp: the record in {run} is empty: the run ended before it had anything to tell");
                Ok(None)
            }
        }
    }

    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Bundle(unpacked) => unpacked.folder(),
        }
    }

    pub(super) fn is_bundle(&self) -> bool {
        matches!(self, Self::Bundle(_))
    }
}
