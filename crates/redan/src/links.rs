//! `redan links DIR`: symbolic links to this binary under the originals' names.

use crate::names;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Makes the links; an existing link is replaced, an existing file is left alone and reported.
pub fn run(args: &[OsString]) -> ExitCode {
    let [dir] = args else {
        eprintln!(
            "usage: redan links DIR\n\nMakes {} in DIR.",
            names::links().collect::<Vec<_>>().join(", ")
        );
        return ExitCode::from(2);
    };
    if dir == "--help" || dir == "-h" {
        println!("usage: redan links DIR\n\nMakes {} in DIR.", names::links().collect::<Vec<_>>().join(", "));
        return ExitCode::SUCCESS;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("redan links: the path of this program is unknown: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut is_complete = true;
    for name in names::links() {
        let link = Path::new(dir).join(name);
        match make(&program, &link) {
            Ok(()) => println!("{} -> {}", link.display(), program.display()),
            Err(error) => {
                eprintln!("redan links: {}: {error}", link.display());
                is_complete = false;
            }
        }
    }
    if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn make(program: &PathBuf, link: &Path) -> std::io::Result<()> {
    match link.symlink_metadata() {
        Ok(found) if found.is_symlink() => std::fs::remove_file(link)?,
        Ok(_) => return Err(std::io::Error::other("there is a file of that name; move it away first")),
        Err(_) => {}
    }
    std::os::unix::fs::symlink(program, link)
}
