use std::fs;
use std::path::{Path, PathBuf};

use crate::StressError;

/// Where results go when no folder is named.
const DEFAULT_PARENT: &str = "test-results";
/// Runs that began in the same second get a number; more than this is no accident.
const SAME_SECOND_MAX: u32 = 100;

/// The folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The run's name: the folder's, or what it would have been called.
    run_id: String,
}

impl Folder {
    /// Creates the folder of the run `run_id`: `output` itself where that does not exist or is empty, else a
    /// folder of the run's name in it; without `output`, one under `test-results`.
    ///
    /// # Errors
    /// Where it cannot be created or written, with what to do.
    pub(crate) fn create(output: Option<&Path>, run_id: &str) -> Result<Self, StressError> {
        let path = match output {
            Some(output) if is_empty_or_absent(output)? => output.to_path_buf(),
            output => unused(output.unwrap_or(Path::new(DEFAULT_PARENT)), run_id)?,
        };
        fs::create_dir_all(&path).map_err(|error| unwritable(&path, &error))?;
        let probe = path.join(".writable");
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { path, run_id: run_id.into() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Writes a whole file of the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), StressError> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(|error| unwritable(&path, &error))
    }

    /// Removes the folder if nothing is in it: a run that never began leaves none.
    pub(crate) fn discard_if_empty(&self) {
        let removed = fs::remove_dir(&self.path);
        if let (Ok(()), Some(parent)) = (removed, self.path.parent())
            && parent == Path::new(DEFAULT_PARENT)
        {
            // Fails where there are other runs in it.
            let _ = fs::remove_dir(parent);
        }
    }
}

fn is_empty_or_absent(path: &Path) -> Result<bool, StressError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(unwritable(path, &error)),
    }
}

fn unused(parent: &Path, run_id: &str) -> Result<PathBuf, StressError> {
    let numbered = |number: u32| if number == 1 { run_id.to_string() } else { format!("{run_id}-{number}") };
    let mut candidates = (1..=SAME_SECOND_MAX).map(|number| parent.join(numbered(number)));
    let free = candidates.find(|path| !path.exists());
    free.ok_or_else(|| StressError::failed(format!("{} is full of runs of this second", parent.display())))
}

fn unwritable(path: &Path, error: &std::io::Error) -> StressError {
    StressError::failed(format!(
        "cannot write results to {}: {error}. Choose another folder with --output",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "stress-test-20261124-081500";

    #[test]
    fn a_new_or_empty_folder_is_used_itself() {
        let parent = tempfile::tempdir().expect("a folder");
        for name in ["new", "empty"] {
            let wanted = parent.path().join(name);
            if name == "empty" {
                fs::create_dir(&wanted).expect("created");
            }
            assert_eq!(Folder::create(Some(&wanted), RUN).expect("created").path(), wanted);
        }
    }

    #[test]
    fn a_folder_with_something_in_it_gets_a_folder_of_the_run() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::write(parent.path().join("notes"), "mine").expect("written");
        let first = Folder::create(Some(parent.path()), RUN).expect("created");
        assert_eq!(first.path(), parent.path().join(RUN));
        let second = Folder::create(Some(parent.path()), RUN).expect("created");
        assert_eq!(second.path(), parent.path().join(format!("{RUN}-2")));
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let parent = tempfile::tempdir().expect("a folder");
        let file = parent.path().join("file");
        fs::write(&file, "").expect("written");
        for wanted in [file.clone(), file.join("below")] {
            let error = Folder::create(Some(&wanted), RUN).expect_err("not a folder");
            assert!(error.exit_code() == 1 && error.to_string().contains("--output"), "{error}");
        }
    }
}
