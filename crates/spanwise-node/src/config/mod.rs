//! Settings from files: our own YAML, and files of the Collector.

mod collector;
mod context;
mod destinations;
mod exposed;
mod gateway;
mod keys;
mod memory;
mod node_file;
mod otlp;
mod receivers;
mod source;
mod tail_sampling;
mod token;
mod values;

pub use context::ConfigOptions;
pub use source::{ConfigError, ConfigSource};
pub(crate) use values::MAX_TIME;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The tables of `docs/node/settings.md` have the keys that the readers know.
    #[test]
    fn the_page_of_the_file_has_each_key() {
        let page = include_str!("../../../../docs/node/settings.md");
        let sections = [
            ("## The root", node_file::KEYS),
            ("## `memory`", memory::KEYS),
            ("## `receivers`", receivers::KEYS),
            ("## `destinations`", destinations::KEYS),
            ("### `otlp`", otlp::KEYS),
            ("### `spool`", destinations::SPOOL_KEYS),
            ("## `gateway`", gateway::KEYS),
        ];
        for (heading, keys) in sections {
            let section = page.split_once(&format!("{heading}\n")).map(|(_, rest)| rest);
            let section = section.unwrap_or_default().split("\n#").next().unwrap_or_default();
            let names =
                section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
            let of_page: BTreeSet<&str> = names.collect();
            assert_eq!(of_page, keys.iter().copied().collect(), "{heading}");
        }
    }
}
