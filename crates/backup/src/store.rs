//! Store: where the files of a backup lie, a directory or a bucket. Files appear whole, or not at all.

use crate::Failure;
use crate::s3::{S3, Upload};
use cli::connection::reason;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Error, Read, Write};
use std::path::{Path, PathBuf};

/// Behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// A place that holds a backup, or will.
pub enum Store {
    /// A directory.
    Dir(PathBuf),
    /// A bucket of an object store, and a prefix.
    Bucket(Box<S3>),
}

impl Store {
    /// A place for a new backup: empty, or not there yet.
    pub fn create(place: &OsStr) -> Result<Store, Failure> {
        let store = Store::open(place)?;
        let is_empty = match &store {
            Store::Dir(dir) => {
                let failed = |error: &Error| format!("{}: {}", dir.display(), reason(error));
                fs::create_dir_all(dir).map_err(|error| failed(&error))?;
                fs::read_dir(dir).map_err(|error| failed(&error))?.next().is_none()
            }
            Store::Bucket(bucket) => bucket.is_empty()?,
        };
        if is_empty {
            Ok(store)
        } else {
            Err(format!("{} is not empty: a backup wants a place of its own", store.name()))
        }
    }

    /// The place of a backup that exists.
    pub fn open(place: &OsStr) -> Result<Store, Failure> {
        let text = place.to_string_lossy();
        match text.split_once("://") {
            Some(("s3", _)) => Ok(Store::Bucket(Box::new(S3::open(&text)?))),
            Some(_) => Err(format!("{text}: a directory or s3://BUCKET/PREFIX is wanted")),
            None => Ok(Store::Dir(PathBuf::from(place))),
        }
    }

    /// The place's name.
    pub fn name(&self) -> String {
        match self {
            Store::Dir(dir) => dir.display().to_string(),
            Store::Bucket(bucket) => bucket.name(),
        }
    }

    /// A file that is to be written.
    pub fn write(&self, name: &str) -> Result<Draft<'_>, Failure> {
        let dir = match self {
            Store::Dir(dir) => dir,
            Store::Bucket(bucket) => return Ok(Draft::Upload(Upload::new(bucket, name))),
        };
        let path = dir.join(name);
        let part = dir.join(format!("{name}{PART}"));
        match File::create(&part) {
            Ok(file) => Ok(Draft::File(Part { file, part, path })),
            Err(error) => Err(format!("{}: {}", part.display(), reason(&error))),
        }
    }

    /// Opens a file to read.
    pub fn read(&self, name: &str) -> Result<Box<dyn Read>, Failure> {
        match self {
            Store::Dir(dir) => {
                let path = dir.join(name);
                let file =
                    File::open(&path).map_err(|error| format!("{}: {}", path.display(), reason(&error)))?;
                Ok(Box::new(file))
            }
            Store::Bucket(bucket) => bucket.read(name),
        }
    }

    /// Makes the names of the files durable.
    pub fn sync(&self) -> Result<(), Failure> {
        let Store::Dir(dir) = self else { return Ok(()) };
        sync_dir(dir)?;
        match dir.parent() {
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
pub enum Draft<'a> {
    /// Into a directory.
    File(Part),
    /// Into a bucket.
    Upload(Upload<'a>),
}

impl Draft<'_> {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Draft::File(part) => part
                .file
                .write_all(bytes)
                .map_err(|error| format!("{}: {}", part.part.display(), reason(&error))),
            Draft::Upload(upload) => upload.write(bytes),
        }
    }

    /// Makes it durable under its name.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Draft::File(part) => {
                let done = part.file.sync_all().and_then(|()| fs::rename(&part.part, &part.path));
                done.map_err(|error| format!("{}: {}", part.path.display(), reason(&error)))
            }
            Draft::Upload(upload) => upload.finish(),
        }
    }
}

/// A file under its first name.
pub struct Part {
    file: File,
    part: PathBuf,
    path: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `finish` it is gone already; else what is left is of no use, and no harm.
        let _ = fs::remove_file(&self.part);
    }
}
