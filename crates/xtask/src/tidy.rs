//! `cargo xtask tidy`: what a machine can check of the house's rules.
//!
//! - Layers: every edge between our crates stands in the list of ARCHITECTURE.md, and every line there exists.
//! - Purity: the core crates are `no_std`; only `data` and `os` may hold unsafe code; the core's foreign
//!   crates are a short list that is known to build without std, or not to use what it has of clocks, files and threads.
//! - Bans: words that must not land.
//! - Sizes: a file over 800 lines or a function over 70 stands in `sizes.txt` with its size, which only shrinks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Crates that run in every world: no clock, socket, file or thread.
const CORE: &[&str] =
    &["base", "wire", "machine", "data", "codec", "spec", "engine", "journal", "cluster", "node"];
/// Crates that may hold unsafe code (`fuzz`: an allocator that counts, to see what a decoder asks for).
const UNSAFE: &[&str] = &["data", "os", "fuzz"];
/// Foreign crates that the core may use. All build without std but `crc-fast`, which asks the processor what it has.
const CORE_FOREIGN: &[&str] = &["crc-fast", "hashbrown", "libm", "xxhash-rust", "memchr", "itoa", "ryu"];
/// A file is looked at twice from here on.
const FILE_LINES: usize = 800;
/// No file but a uniform table is longer.
const FILE_LINES_MAX: usize = 1_500;
/// A function fits a screen.
const FUNCTION_LINES: usize = 70;

/// What to do with the list of sizes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Compare.
    Check,
    /// Write it anew.
    Update,
}

/// Runs all checks and prints each finding.
pub fn run(root: &Path, sizes: Sizes) -> ExitCode {
    let mut findings = Vec::new();
    let sources = sources(root);
    layers(root, &mut findings);
    purity(root, &mut findings);
    bans(root, &sources, &mut findings);
    ratchet(root, &sources, sizes, &mut findings);
    bare_metal(root, &mut findings);
    for finding in &findings {
        println!("tidy: {finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files are in order", sources.len());
            ExitCode::SUCCESS
        }
        count => {
            println!("tidy: {count} finding(s)");
            ExitCode::FAILURE
        }
    }
}

/// All Rust files of the workspace, in order of path.
fn sources(root: &Path) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root.join("crates"), &mut found);
    found.sort();
    found
}

/// The names in a section of a crate's manifest.
fn dependencies(root: &Path, name: &str, section: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root.join("crates").join(name).join("Cargo.toml")).unwrap_or_default();
    let lines = manifest.lines().skip_while(|line| line.trim() != section).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_string)
        .collect()
}

fn crate_names(root: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The edges that ARCHITECTURE.md lists: lines `name -> other other` in its block "edges".
fn listed_edges(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    let block = text.lines().skip_while(|line| line.trim() != "```edges").skip(1);
    block
        .take_while(|line| line.trim() != "```")
        .filter_map(|line| line.split_once("->"))
        .map(|(from, to)| (from.trim().to_string(), to.split_whitespace().map(str::to_string).collect()))
        .collect()
}

fn layers(root: &Path, findings: &mut Vec<String>) {
    let (names, listed) = (crate_names(root), listed_edges(root));
    if listed.is_empty() {
        findings.push("ARCHITECTURE.md has no block ```edges with the allowed edges".into());
        return;
    }
    for name in &names {
        let ours: BTreeSet<String> =
            dependencies(root, name, "[dependencies]").intersection(&names).cloned().collect();
        let allowed = listed.get(name).cloned().unwrap_or_default();
        for extra in ours.difference(&allowed) {
            findings.push(format!("edge {name} -> {extra} is not listed in ARCHITECTURE.md"));
        }
        for gone in allowed.difference(&ours) {
            findings.push(format!("ARCHITECTURE.md lists {name} -> {gone}, which does not exist"));
        }
    }
}

fn purity(root: &Path, findings: &mut Vec<String>) {
    for name in crate_names(root) {
        let lib = root.join("crates").join(&name).join("src/lib.rs");
        let Ok(text) = fs::read_to_string(&lib) else { continue };
        let is_core = CORE.contains(&name.as_str());
        if is_core && !text.contains("#![no_std]") && !text.contains("no_std)]") {
            findings.push(format!("crates/{name}/src/lib.rs: a core crate is #![no_std]"));
        }
        if !UNSAFE.contains(&name.as_str()) && !text.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("crates/{name}/src/lib.rs: #![forbid(unsafe_code)] is missing"));
        }
        if is_core {
            let ours = crate_names(root);
            for foreign in dependencies(root, &name, "[dependencies]").difference(&ours) {
                if !CORE_FOREIGN.contains(&foreign.as_str()) {
                    findings.push(format!(
                        "crates/{name}: foreign crate {foreign} is not on the list of those that the core may use"
                    ));
                }
            }
        }
    }
}

fn bans(root: &Path, sources: &[PathBuf], findings: &mut Vec<String>) {
    // Written in two parts, so that this table is not a finding of its own.
    let words = [
        (concat!("todo", "!("), "unfinished"),
        (concat!("unimplemented", "!("), "unfinished"),
        (concat!("dbg", "!("), "left from debugging"),
        (concat!("#[ig", "nore"), "a test that does not run proves nothing"),
        (concat!("FIX", "ME"), "mend it or say in a TODO what would let us do it"),
        (concat!("anyhow", "::"), "errors are enums"),
        (concat!("deny(warn", "ings)"), "the check is CI's, not the source's"),
    ];
    for path in sources {
        let text = fs::read_to_string(path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            for (word, reason) in words.iter().filter(|(word, _)| line.contains(word)) {
                findings.push(format!("{}:{}: '{word}': {reason}", relative(root, path), number + 1));
            }
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Lines of each function, by indentation: `cargo fmt` guarantees that its last line is the same indentation and `}`.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = code.strip_prefix("pub(crate) ").or_else(|| code.strip_prefix("pub ")).unwrap_or(code);
        let words = words.strip_prefix("const ").unwrap_or(words);
        // A declaration in a trait has no body.
        let Some(rest) = words.strip_prefix("fn ").filter(|rest| !rest.ends_with(';')) else { continue };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let indent = line.len() - code.len();
        let closing = format!("{}}}", " ".repeat(indent));
        let Some(length) = lines[start..].iter().position(|line| *line == closing) else { continue };
        if length + 1 > FUNCTION_LINES {
            found.push((name, length + 1));
        }
    }
    found
}

fn ratchet(root: &Path, sources: &[PathBuf], sizes: Sizes, findings: &mut Vec<String>) {
    let list = root.join("crates/xtask/sizes.txt");
    let text = fs::read_to_string(&list).unwrap_or_default();
    let known: BTreeMap<&str, usize> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, size)| Some((name, size.parse().ok()?)))
        .collect();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for path in sources {
        let (text, name) = (fs::read_to_string(path).unwrap_or_default(), relative(root, path));
        let lines = text.lines().count();
        if lines > FILE_LINES {
            found.insert(name.clone(), lines);
        }
        let is_table = text.contains("uniform table");
        if lines > FILE_LINES_MAX && !is_table {
            findings.push(format!("{name}: {lines} lines; {FILE_LINES_MAX} is the limit: split it"));
        }
        for (function, length) in long_functions(&text) {
            found.insert(format!("{name} fn {function}"), length);
        }
    }
    if sizes == Sizes::Update {
        let mut text =
            String::from("# Files over 800 lines and functions over 70: their sizes, which only shrink.\n");
        for (name, size) in &found {
            text.push_str(&format!("{name} {size}\n"));
        }
        if let Err(error) = fs::write(&list, text) {
            findings.push(format!("{}: {error}", list.display()));
        }
        return;
    }
    for (name, size) in &found {
        match known.get(name.as_str()) {
            Some(before) if size <= before => {}
            Some(before) => {
                findings.push(format!("{name}: {size} lines, {before} before: make it smaller, not larger"))
            }
            None => findings.push(format!("{name}: {size} lines: split it")),
        }
    }
}

/// Builds the core for a target without a system, where one is installed: then nothing can bring std in.
fn bare_metal(root: &Path, findings: &mut Vec<String>) {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed =
        installed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let Some(target) = installed.lines().find(|target| target.contains("-none")) else {
        println!("tidy: no bare-metal target is installed; purity was checked by the dependency lists alone");
        return;
    };
    let status = Command::new("cargo")
        .args(["check", "--quiet", "--package", "node", "--target", target])
        .current_dir(root)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        findings.push(format!("the core does not build for {target}: something brings std in"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found() {
        let body = "    let x = 1;\n".repeat(80);
        let text = format!("impl A {{\n}}\npub fn long() {{\n{body}}}\nfn short() {{\n}}\n");
        assert_eq!(long_functions(&text), [("long".to_string(), 82)]);
    }
}
