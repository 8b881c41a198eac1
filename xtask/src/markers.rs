//! The text between two markers of a page.

use std::fs;
use std::path::Path;

/// The treatment of a page whose text is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// An error that names this command, which writes the page.
    Error(&'static str),
    /// The page is written.
    Written,
}

/// Compares the text of `page` between `<!-- name:begin -->` and `<!-- name:end -->` with `text`, or puts it there.
///
/// # Errors
/// The page lacks the markers, cannot be read or written, or, with [`Stale::Error`], is stale.
pub fn update(page: &Path, name: &str, text: &str, stale: Stale) -> Result<(), String> {
    let shown = page.display();
    let old = fs::read_to_string(page).map_err(|error| format!("{shown}: {error}"))?;
    let new = replaced(&old, name, text)
        .ok_or_else(|| format!("{shown} lacks the markers {name}:begin and {name}:end"))?;
    if new == old {
        return Ok(());
    }
    if let Stale::Error(command) = stale {
        return Err(format!("{shown} is stale at {name}: run `{command}`"));
    }
    fs::write(page, new).map_err(|error| format!("{shown}: {error}"))
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_markers_changes() {
        let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        let written = "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n";
        assert_eq!(replaced(page, "x", "new\n").as_deref(), Some(written));
        assert_eq!(replaced(written, "x", "new\n").as_deref(), Some(written));
        assert_eq!(replaced(page, "y", "new\n"), None);
    }

    #[test]
    fn a_stale_page_is_an_error_until_it_is_written() {
        let name = format!("spanwise-markers-{}.md", std::process::id());
        let page = std::env::temp_dir().join(name);
        fs::write(&page, "<!-- x:begin -->\n<!-- x:end -->\n").unwrap();
        let error = Stale::Error("cargo x");
        let stale = update(&page, "x", "new\n", error).unwrap_err();
        assert!(stale.ends_with("is stale at x: run `cargo x`"), "{stale}");
        assert_eq!(update(&page, "x", "new\n", Stale::Written), Ok(()));
        assert_eq!(update(&page, "x", "new\n", error), Ok(()));
        fs::remove_file(&page).unwrap();
    }
}
