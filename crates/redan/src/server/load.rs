//! Loading: the configuration file, standard input and arguments, and what their lines ask of the world.

use super::Trouble;
use node::CommandNames;
use spec::Config;
use spec::config::Surroundings;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Reads the file (first argument, unless it begins with a hyphen), then standard input (`-` as the first or the last
/// argument), then the options: the last value counts. The program's name chooses the defaults.
pub(super) fn load(
    called_as: &std::ffi::OsStr,
    args: &[OsString],
) -> Result<(Config, Option<PathBuf>), Trouble> {
    let (file, rest) = match args.split_first() {
        Some((first, rest)) if !first.as_bytes().starts_with(b"-") => (Some(first), rest),
        _ => (None, args),
    };
    let mut text = Vec::new();
    let mut path = None;
    if let Some(name) = file {
        let read = files(name.as_bytes()).map_err(Trouble::File)?;
        text = read.concat();
        // A pattern is no file that could be rewritten.
        path = std::path::absolute(name).ok();
    }
    let mut words: Vec<&[u8]> = rest.iter().map(|word| word.as_bytes()).collect();
    let is_stdin = |word: Option<&&[u8]>| word.is_some_and(|word| *word == b"-");
    let mut from_stdin = false;
    if is_stdin(words.last()) {
        words.pop();
        from_stdin = true;
    }
    if file.is_none() && is_stdin(words.first()) {
        words.remove(0);
        from_stdin = true;
    }
    if from_stdin {
        std::io::stdin().read_to_end(&mut text).map_err(|error| {
            Trouble::File(format!("Fatal error, can't read the configuration from standard input: {error}"))
        })?;
    }
    let mut world = World { names: CommandNames::default() };
    let defaults = match Path::new(called_as).file_name() {
        Some(name) if name == "valkey-server" => Config::of_valkey(),
        _ => Config::new(),
    };
    let config = defaults.load_in(&text, &words, &mut world).map_err(|error| {
        if error.is_about_file {
            Trouble::File(error.to_string())
        } else {
            Trouble::Config(error.to_string())
        }
    })?;
    Ok((config, path))
}

/// The process that loads.
struct World {
    names: CommandNames,
}

impl Surroundings for World {
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        // The files of a pattern are one text: the originals number its lines through.
        Ok(vec![files(pattern)?.concat()])
    }

    fn enter(&mut self, dir: &[u8]) -> Result<Vec<u8>, String> {
        let entered = std::env::set_current_dir(Path::new(std::ffi::OsStr::from_bytes(dir)));
        let now = entered.and_then(|()| std::env::current_dir());
        now.map(|dir| dir.as_os_str().as_bytes().to_vec()).map_err(|error| super::plain(&error))
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        self.names.rename(from, to)
    }

    fn open_log(&mut self, path: &[u8]) -> Result<(), String> {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
        opened.map(|_| ()).map_err(|error| super::plain(&error))
    }
}

/// The texts of the files that a name or a pattern stands for. A name must be there; a pattern may match nothing.
fn files(pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let has_pattern = pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    let paths = if has_pattern {
        matches(pattern)
    } else {
        vec![PathBuf::from(std::ffi::OsStr::from_bytes(pattern))]
    };
    let read = |path: PathBuf| {
        std::fs::read(&path).map_err(|error| {
            format!("Fatal error, can't open config file '{}': {}", path.display(), super::plain(&error))
        })
    };
    paths.into_iter().map(read).collect()
}

/// The paths that match a pattern, in order; each part of the path may have special characters. A leading dot of a name
/// must be written.
fn matches(pattern: &[u8]) -> Vec<PathBuf> {
    let start = if pattern.starts_with(b"/") { "/" } else { "" };
    let mut found = vec![PathBuf::from(start)];
    for part in pattern.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        let is_plain = !part.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        let mut next = Vec::new();
        for path in found {
            if is_plain {
                let path = path.join(std::ffi::OsStr::from_bytes(part));
                if path.symlink_metadata().is_ok() {
                    next.push(path);
                }
                continue;
            }
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.retain(|name| {
                let bytes = name.as_bytes();
                base::glob::matches(part, bytes) && (!bytes.starts_with(b".") || part.starts_with(b"."))
            });
            names.sort();
            next.extend(names.into_iter().map(|name| path.join(name)));
        }
        found = next;
    }
    found
}
