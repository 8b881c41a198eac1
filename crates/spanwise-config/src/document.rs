//! A configuration file, and how it is read.

use std::io::{self, Read as _};
use std::path::Path;
use std::rc::Rc;

use crate::field::Field;
use crate::findings::Findings;
use crate::limits::MAX_BYTES;
use crate::loader::{self, Loaded};
use crate::node::Node;
use crate::position::Position;
use crate::problem::{Problem, Problems};
use crate::regular_file::open_regular;
use crate::unset;

/// A configuration file after substitution of its variables, which [`read`](Self::read) gives to a schema.
///
/// `Debug` shows the file's name only: its values may be secrets.
#[derive(Clone)]
pub struct Document {
    name: String,
    root: Node,
    /// Of the substitution.
    warnings: Vec<Problem>,
}

/// The result of [`Document::read`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Read<T> {
    /// The configuration.
    pub value: T,
    /// Warnings: the file can be used nevertheless.
    pub warnings: Vec<Problem>,
}

impl Document {
    /// Reads a regular file of at most [`MAX_BYTES`], links followed, and parses it. It never waits for a pipe or a device.
    ///
    /// # Errors
    /// The file cannot be read, is not a regular one, is too large, or [`parse`](Self::parse) fails.
    pub fn open(
        path: impl AsRef<Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match read_file(path) {
            Ok(content) => Self::parse(name, &content, environment),
            Err(error) => Err(whole_file(name, format!("the file cannot be read: {error}"))),
        }
    }

    /// Parses a text and replaces its references to environment variables, whose values `environment` gives;
    /// `|name| std::env::var(name).ok()` reads those of the process. `name` stands for the file in messages.
    ///
    /// # Errors
    /// The text is larger than [`MAX_BYTES`], not UTF-8, not YAML 1.2, or more than one document; a key occurs
    /// twice; a reference is malformed; aliases form a cycle; or the text is beyond a bound of this crate.
    pub fn parse(
        name: impl Into<String>,
        text: &[u8],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let name = name.into();
        if text.len() > MAX_BYTES {
            return Err(whole_file(name, format!("the file has more than {MAX_BYTES} bytes")));
        }
        let text = match decode(text) {
            Ok(text) => text,
            Err((position, message)) => {
                return Err(Problems::one(Problem {
                    file: name,
                    position,
                    path: String::new(),
                    message,
                }));
            }
        };
        match loader::load(text, &environment) {
            Ok(Loaded { root, unset }) => {
                let warnings =
                    unset::warnings(&name, &root, &unset, process_variables, &environment);
                Ok(Self { name, root, warnings })
            }
            Err(loader::Failure { position, message }) => {
                Err(Problems::one(Problem { file: name, position, path: String::new(), message }))
            }
        }
    }

    /// Gives the file to `schema`, which asks for the fields that it knows. The warnings include one for each reference
    /// without a default to a variable that is unset or empty.
    ///
    /// # Errors
    /// Every error that the fields reported, in the order of the file: the schema's value is dropped then.
    pub fn read<'d, T>(&'d self, schema: impl FnOnce(Field<'d>) -> T) -> Result<Read<T>, Problems> {
        let findings = Rc::new(Findings::new(&self.name, &self.warnings));
        let value = schema(Field::root(&self.root, &findings));
        let warnings = findings.finish()?;
        Ok(Read { value, warnings })
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("name", &self.name).finish_non_exhaustive()
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // One byte more than is accepted shows that the file is too large, also while it grows.
    match open_regular(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut content) {
        Ok(_) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::other(
            "its read would wait, as that of a device; accepted is a regular file",
        )),
        Err(error) => Err(error),
    }
}

/// The names of the process's variables, as hints for those without a value.
fn process_variables() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

fn whole_file(file: String, message: String) -> Problems {
    Problems::one(Problem { file, position: Position::START, path: String::new(), message })
}

/// UTF-8, with or without a byte order mark.
fn decode(text: &[u8]) -> Result<&str, (Position, String)> {
    // A file of ASCII letters in UTF-16 has a zero in each pair of bytes, also without a mark.
    if let [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, _, ..] | [_, 0, ..] = text {
        return Err((
            Position::START,
            "the file is not UTF-8 but UTF-16 or UTF-32; save it as UTF-8".to_owned(),
        ));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    std::str::from_utf8(text).map_err(|error| {
        let valid = text.get(..error.valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let last = valid.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(last).chars().count() + 1;
        (Position { line, column }, "the file is not UTF-8".to_owned())
    })
}
