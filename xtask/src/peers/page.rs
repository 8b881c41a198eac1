//! The part of a page that a command writes.

use std::fs;
use std::path::Path;

/// Replaces the text between the lines `<!-- NAME:begin -->` and `<!-- NAME:end -->` of a page.
///
/// # Errors
/// The page cannot be read or written, or lacks the lines.
pub(crate) fn write_between(page: &Path, name: &str, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", page.display());
    let old = fs::read_to_string(page).map_err(failed)?;
    let new = replaced(&old, name, text)
        .ok_or_else(|| format!("{} lacks the lines <!-- {name}:begin/end -->", page.display()))?;
    fs::write(page, new).map_err(failed)
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
    fn text_between_the_lines_is_replaced() {
        let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        let new = "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n";
        assert_eq!(replaced(page, "x", "new\n").as_deref(), Some(new));
        assert_eq!(replaced(page, "y", "new\n"), None);
    }
}
