//! Leftovers: unfinished files of processes that were killed. A disk must not fill up with them, kill by kill.

use std::fs;
use std::path::Path;

/// How the names begin and end; between stands the number of the process.
const NAMES: [(&str, &str); 3] = [("temp-", ".rdb"), ("temp-rewriteaof-bg-", ".aof"), ("temp-sync-", ".rdb")];

/// Removes from `dir` what processes that are gone have left. What can not be removed stays, as it does without this.
pub(super) fn remove(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let of_whom = name.to_str().and_then(process_of);
        if of_whom.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _stays = fs::remove_file(entry.path());
        }
    }
}

fn process_of(name: &str) -> Option<u32> {
    NAMES.iter().find_map(|(start, end)| name.strip_prefix(start)?.strip_suffix(end)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_file_it_is() {
        assert_eq!(process_of("temp-17.rdb"), Some(17));
        assert_eq!(process_of("temp-rewriteaof-bg-17.aof"), Some(17));
        assert_eq!(process_of("temp-sync-17.rdb"), Some(17));
        assert_eq!(process_of("temp-a.rdb"), None);
        assert_eq!(process_of("temp-1234567890.17.rdb"), None);
        assert_eq!(process_of("dump.rdb"), None);
    }
}
