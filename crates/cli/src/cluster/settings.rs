//! Settings: the options of the cluster manager, `--cluster-...` of redis-cli and the same without the prefix of redis-trib.

use super::words::{fraction, number};

/// MIGRATE may take so long (milliseconds) for one batch of keys: the originals' default.
const TIMEOUT_MS: i64 = 60_000;
/// Keys in one MIGRATE: the originals' default.
const PIPELINE: i64 = 10;
/// Rebalancing starts at this difference in per cent: the originals' default.
const THRESHOLD: f32 = 2.0;

/// What the options say.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Replicas for each primary of a new cluster.
    pub replicas: usize,
    /// Where slots or keys come from: node ids with commas, or an address (import).
    pub from: Option<String>,
    /// The node that gets the slots.
    pub to: Option<String>,
    /// How many slots; 0 asks.
    pub slots: i64,
    /// No questions, except where data could be lost.
    pub yes: bool,
    /// Milliseconds for one MIGRATE.
    pub timeout_ms: i64,
    /// Keys in one MIGRATE.
    pub pipeline: i64,
    /// Keys that are at the target already are overwritten.
    pub replace: bool,
    /// Imported keys stay at the source.
    pub copy: bool,
    /// `id=weight`, an id may be shortened.
    pub weights: Vec<String>,
    /// Primaries without slots take part in rebalancing.
    pub use_empty_primaries: bool,
    /// Rebalancing only shows what it would do.
    pub simulate: bool,
    /// Per cent.
    pub threshold: f32,
    /// The new node becomes a replica.
    pub as_replica: bool,
    /// Of this primary.
    pub primary_id: Option<String>,
    /// Check looks for slots with several owners as well.
    pub search_multiple_owners: bool,
    /// Fix goes on though primaries cannot be reached.
    pub fix_with_unreachable_primaries: bool,
    /// Call asks primaries only.
    pub only_primaries: bool,
    /// Call asks replicas only.
    pub only_replicas: bool,
    /// The import source's user.
    pub from_user: Option<String>,
    /// The import source's password.
    pub from_password: Option<String>,
    /// The import source's password is asked for.
    pub from_ask_password: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            replicas: 0,
            from: None,
            to: None,
            slots: 0,
            yes: false,
            timeout_ms: TIMEOUT_MS,
            pipeline: PIPELINE,
            replace: false,
            copy: false,
            weights: Vec::new(),
            use_empty_primaries: false,
            simulate: false,
            threshold: THRESHOLD,
            as_replica: false,
            primary_id: None,
            search_multiple_owners: false,
            fix_with_unreachable_primaries: false,
            only_primaries: false,
            only_replicas: false,
            from_user: None,
            from_password: None,
            from_ask_password: false,
        }
    }
}

/// The second `--cluster-weight` of a command line.
pub const WEIGHT_TWICE: &str = "WARNING: you cannot use --cluster-weight more than once.\n\
    You can set more weights by adding them as a space-separated list, ie:\n\
    --cluster-weight n1=w n2=w";

impl Settings {
    /// Takes the option at the start of `words` (`--cluster-...`), with its value if it has one; how many words it took, 0 if
    /// it is none of these or lacks its value.
    ///
    /// # Errors
    /// A text for standard error; the program ends with 1.
    pub fn take(&mut self, words: &[String]) -> Result<usize, &'static str> {
        let Some(name) = words.first().and_then(|word| word.strip_prefix("--cluster-")) else { return Ok(0) };
        if self.switch(name) {
            return Ok(1);
        }
        if name == "weight" && words.len() > 1 {
            return self.take_weights(&words[1..]);
        }
        match words.get(1) {
            Some(value) if self.set(name, value) => Ok(2),
            _ => Ok(0),
        }
    }

    /// Sets an option that has no value.
    pub fn switch(&mut self, name: &str) -> bool {
        let switch = match name {
            "yes" => &mut self.yes,
            "simulate" => &mut self.simulate,
            "replace" => &mut self.replace,
            "copy" => &mut self.copy,
            "slave" | "replica" => &mut self.as_replica,
            "use-empty-masters" | "use-empty-primaries" => &mut self.use_empty_primaries,
            "search-multiple-owners" => &mut self.search_multiple_owners,
            "fix-with-unreachable-masters" | "fix-with-unreachable-primaries" => {
                &mut self.fix_with_unreachable_primaries
            }
            "only-masters" | "only-primaries" => &mut self.only_primaries,
            "only-replicas" => &mut self.only_replicas,
            "from-askpass" => &mut self.from_ask_password,
            _ => return false,
        };
        *switch = true;
        true
    }

    /// Sets an option that has a value.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        match name {
            "replicas" => self.replicas = usize::try_from(number(value)).unwrap_or(0),
            "master-id" | "primary-id" => self.primary_id = Some(value.into()),
            "from" => self.from = Some(value.into()),
            "to" => self.to = Some(value.into()),
            "from-user" => self.from_user = Some(value.into()),
            "from-pass" => self.from_password = Some(value.into()),
            "slots" => self.slots = number(value),
            "timeout" => self.timeout_ms = number(value),
            "pipeline" => self.pipeline = number(value),
            "threshold" => self.threshold = fraction(value),
            _ => return false,
        }
        true
    }

    fn take_weights(&mut self, words: &[String]) -> Result<usize, &'static str> {
        if !self.weights.is_empty() {
            return Err(WEIGHT_TWICE);
        }
        let is_weight = |word: &&String| !word.starts_with("--") && word.contains('=');
        self.weights = words.iter().take_while(is_weight).cloned().collect();
        Ok(1 + self.weights.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(String::from).collect()
    }

    #[test]
    fn options_are_taken_with_their_values() {
        let mut settings = Settings::default();
        assert_eq!(settings.take(&words("--cluster-replicas 2 x")), Ok(2));
        assert_eq!(settings.take(&words("--cluster-yes --cluster-from")), Ok(1));
        assert_eq!(settings.take(&words("--cluster-from a,b")), Ok(2));
        assert_eq!(settings.take(&words("--cluster-threshold 0.5")), Ok(2));
        assert_eq!((settings.replicas, settings.yes, settings.threshold), (2, true, 0.5));
        assert_eq!(settings.from.as_deref(), Some("a,b"));
    }

    #[test]
    fn what_is_unknown_or_lacks_its_value_is_not_taken() {
        assert_eq!(Settings::default().take(&words("--cluster-to")), Ok(0));
        assert_eq!(Settings::default().take(&words("--cluster-frob 1")), Ok(0));
        assert_eq!(Settings::default().take(&words("--other 1")), Ok(0));
    }

    #[test]
    fn weights_are_a_list_and_come_once() {
        let mut settings = Settings::default();
        assert_eq!(settings.take(&words("--cluster-weight a=1 b=2 --cluster-yes")), Ok(3));
        assert_eq!(settings.weights, ["a=1", "b=2"]);
        assert_eq!(settings.take(&words("--cluster-weight c=1")), Err(WEIGHT_TWICE));
    }
}
