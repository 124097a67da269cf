//! Settings: a configuration from text, as a file would give it.

use spec::Config;

/// Reads directives.
///
/// # Panics
/// When the text is no configuration: the scenario is wrong.
pub fn config(text: &str) -> Config {
    let mut no_files = |_: &[u8]| Err(String::from("there are no files to include here"));
    match Config::load(text.as_bytes(), &[], &mut no_files) {
        Ok(config) => config,
        Err(error) => panic!("the scenario's configuration is refused: {error}"),
    }
}
