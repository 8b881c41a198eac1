//! Bearer tokens.

use super::context::Context;
use crate::settings::Secret;
use spanwise_config::Field;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The token of a field, or the content of the file of another. No message shows it.
pub(super) fn read(token: Field<'_>, file: &Field<'_>, context: &Context<'_>) -> Option<Secret> {
    let token = token.secret();
    match (token.has_value(), file.has_value()) {
        (false, false) => None,
        (true, true) => {
            file.error("the token itself is in the file too: use one of them");
            None
        }
        (true, false) => {
            if !token.is_substituted() {
                token.warning(
                    "the token is in the file itself; `${NAME}` reads an environment variable",
                );
            }
            checked(token.string()?).map_err(|problem| token.error(problem)).ok()
        }
        (false, true) => {
            let path = super::values::path(file)?;
            let text = of_file(&path).map_err(|error| {
                context.unreadable(file, format!("the token cannot be read: {error}"));
            });
            checked(&text.ok()?).map_err(|problem| file.error(problem)).ok()
        }
    }
}

/// A token of RFC 6750, without the line break behind it.
fn checked(text: &str) -> Result<Secret, &'static str> {
    let text = text.trim();
    let is_token = |letter: char| letter.is_ascii_graphic();
    match text {
        "" => Err("the token is empty"),
        _ if text.chars().all(is_token) => Ok(Secret(text.into())),
        _ => Err(
            "the token has characters that a header cannot have: spaces or letters beyond ASCII",
        ),
    }
}

fn of_file(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// The longest header that receivers accept.
const MAX_BYTES: u64 = 16 << 10;
