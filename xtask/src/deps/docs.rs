//! The picture between two markers of a page.

use std::path::Path;
use std::{fs, io};

/// Compares the picture in `page` with `picture`, or puts it there. A page that does not exist is
/// as good as one that is right.
///
/// # Errors
/// When the page lacks the markers, cannot be read or written, or, without `write`, is stale.
pub fn picture_in(page: &Path, picture: &str, write: bool) -> Result<(), String> {
    let name = page.display();
    let old = match fs::read_to_string(page) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{name}: {error}")),
    };
    let new = with_picture(&old, picture)
        .ok_or_else(|| format!("{name} lacks the lines {BEGIN} and {END}, in this order"))?;
    if new == old {
        return Ok(());
    }
    if !write {
        return Err(format!("the picture in {name} is stale: run `cargo xtask deps --write`"));
    }
    fs::write(page, new).map_err(|error| format!("{name}: {error}"))
}

/// `text` with what is between the markers replaced; `None` without markers.
fn with_picture(text: &str, picture: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n```text\n{picture}\n```\n{END}{after}"))
}

const BEGIN: &str = "<!-- ranks:begin -->";
const END: &str = "<!-- ranks:end -->";

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "a\n<!-- ranks:begin -->\nold\n<!-- ranks:end -->\nb\n";
    const DRAWN: &str = "a\n<!-- ranks:begin -->\n```text\nnew\n```\n<!-- ranks:end -->\nb\n";

    #[test]
    fn only_what_is_between_the_markers_changes() {
        assert_eq!(with_picture(PAGE, "new").as_deref(), Some(DRAWN));
        assert_eq!(with_picture(DRAWN, "new").as_deref(), Some(DRAWN));
        assert_eq!(with_picture("no markers", "new"), None);
        assert_eq!(with_picture("<!-- ranks:end --><!-- ranks:begin -->", "new"), None);
    }

    #[test]
    fn stale_is_an_error_until_written() {
        let page = std::env::temp_dir().join(format!("spanwise-ranks-{}.md", std::process::id()));
        assert_eq!(picture_in(&page, "new", false), Ok(()), "no page");
        fs::write(&page, PAGE).unwrap();
        assert!(picture_in(&page, "new", false).unwrap_err().contains("stale"));
        assert_eq!(picture_in(&page, "new", true), Ok(()));
        assert_eq!(picture_in(&page, "new", false), Ok(()));
        assert_eq!(fs::read_to_string(&page).unwrap(), DRAWN);
        fs::remove_file(&page).unwrap();
    }
}
