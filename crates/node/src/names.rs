//! Names: which commands there are, for `rename-command` lines while a configuration is loaded.

use alloc::vec::Vec;

/// The names by which commands are called.
#[derive(Debug)]
pub struct CommandNames(Vec<Vec<u8>>);

impl Default for CommandNames {
    /// The names of the table.
    fn default() -> CommandNames {
        let table = engine::Table::new();
        CommandNames(table.commands().map(|index| table.row(index).spec().name.into()).collect())
    }
}

impl CommandNames {
    /// One `rename-command`; an empty new name takes the command away.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let is = |name: &Vec<u8>, other: &[u8]| name.eq_ignore_ascii_case(other);
        let place = self.0.iter().position(|name| is(name, from));
        let place = place.ok_or("No such command in rename-command")?;
        self.0.swap_remove(place);
        if to.is_empty() {
            return Ok(());
        }
        if self.0.iter().any(|name| is(name, to)) {
            return Err("Target command name already exists");
        }
        self.0.push(to.into());
        Ok(())
    }
}
