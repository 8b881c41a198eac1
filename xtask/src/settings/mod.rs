//! `cargo xtask settings`: the pages about settings are written from the table of settings.

mod file_keys;
mod render;

use crate::markers::{self, Stale};
use crate::step::root;
use crate::{Command, only_flags};

pub const COMMAND: Command = Command {
    name: "settings",
    summary: "checks the tables of settings in README.md and docs/configuration.md",
    help: "Compares the text between the markers of both pages with the table of settings\n\
           (`spanwise::config::settings`) and the keys of the declarative file. An error names the page that is\n\
           stale.\n\n\
           --write       writes the tables to both pages",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &["--write"])?;
    update(!args.is_empty())
}

/// Checks both pages.
///
/// # Errors
/// A page is stale, lacks its markers, or cannot be read.
pub fn check() -> Result<(), String> {
    update(false)
}

fn update(write: bool) -> Result<(), String> {
    let root = root();
    let stale = if write { Stale::Written } else { Stale::Error("cargo xtask settings --write") };
    let (readme, page) = (root.join("README.md"), root.join("docs/configuration.md"));
    markers::update(&readme, "settings", &render::summary(), stale)?;
    markers::update(&page, "settings", &render::reference(), stale)?;
    markers::update(&page, "file", &file_keys::table(), stale)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pages_are_those_of_the_table() {
        assert_eq!(super::check(), Ok(()));
    }
}
