//! Store: where the files of a backup lie. Files appear whole, or not at all.

use crate::Failure;
use cli::connection::reason;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Error, Read, Write};
use std::path::{Path, PathBuf};

/// Behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// A directory that holds a backup, or will.
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// A place for a new backup: a directory that is empty or not there yet.
    pub fn create(place: &OsStr) -> Result<Store, Failure> {
        let store = Store::open(place)?;
        let failed = |error: &Error| format!("{}: {}", store.dir.display(), reason(error));
        fs::create_dir_all(&store.dir).map_err(|error| failed(&error))?;
        let mut entries = fs::read_dir(&store.dir).map_err(|error| failed(&error))?;
        if entries.next().is_some() {
            return Err(format!(
                "{} is not empty: a backup wants a directory of its own",
                store.dir.display()
            ));
        }
        Ok(store)
    }

    /// The place of a backup that exists.
    pub fn open(place: &OsStr) -> Result<Store, Failure> {
        if place.to_string_lossy().contains("://") {
            return Err(format!(
                "{}: this program stores backups in directories only",
                place.to_string_lossy()
            ));
        }
        Ok(Store { dir: PathBuf::from(place) })
    }

    /// The place's name.
    pub fn name(&self) -> String {
        self.dir.display().to_string()
    }

    /// A file that is to be written.
    pub fn write(&self, name: &str) -> Result<Draft, Failure> {
        let path = self.dir.join(name);
        let part = self.dir.join(format!("{name}{PART}"));
        match File::create(&part) {
            Ok(file) => Ok(Draft { file, part, path }),
            Err(error) => Err(format!("{}: {}", part.display(), reason(&error))),
        }
    }

    /// Opens a file to read.
    pub fn read(&self, name: &str) -> Result<impl Read + use<>, Failure> {
        let path = self.dir.join(name);
        File::open(&path).map_err(|error| format!("{}: {}", path.display(), reason(&error)))
    }

    /// Makes the names of the files durable.
    pub fn sync(&self) -> Result<(), Failure> {
        sync_dir(&self.dir)?;
        match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
            _ => Ok(()),
        }
    }
}

fn sync_dir(dir: &Path) -> Result<(), Failure> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| format!("{}: {}", dir.display(), reason(&error)))
}

/// A file on its way. Without `finish` it never was.
pub struct Draft {
    file: File,
    part: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| format!("{}: {}", self.part.display(), reason(&error)))
    }

    /// Makes it durable under its name.
    pub fn finish(self) -> Result<(), Failure> {
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.part, &self.path));
        done.map_err(|error| format!("{}: {}", self.path.display(), reason(&error)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `finish` it is gone already; else what is left is of no use, and no harm.
        let _ = fs::remove_file(&self.part);
    }
}
