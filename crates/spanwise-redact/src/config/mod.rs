//! Rules from files: a section of our own, and blocks of the Collector's processors.

mod attributes_processor;
mod fields;
mod find;
mod go_pattern;
mod redaction_processor;
mod section;

use crate::builder::RedactorBuilder;
use spanwise_config::{Document, Field, Problems, Read};
use std::path::Path;

use self::find::{Block, block, find};

impl RedactorBuilder {
    /// Reads the rules of a YAML file; [`from_document`](Self::from_document) states the forms that it may have. `${NAME}` is the
    /// environment variable of this process.
    ///
    /// # Errors
    /// As [`from_document`](Self::from_document), and a file that cannot be read or is no YAML.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Read<Self>, Problems> {
        let document = Document::open(path, |name| std::env::var(name).ok())?;
        Self::from_document(&document, None)
    }

    /// Reads rules as [`from_file`](Self::from_file) does; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    ///
    /// ```
    /// use spanwise_redact::RedactorBuilder;
    ///
    /// let text = b"
    /// redaction:
    ///   rules:
    ///     - {name: users, action: mask, keys: ['user.*'], values: ['[0-9]{4,}']}
    ///     - {action: delete, keys: [http.request.header.cookie], targets: [span.atributes]}
    /// ";
    /// let problems = RedactorBuilder::from_yaml("redaction.yaml", text).map(drop).unwrap_err();
    /// let text = problems.to_string();
    /// assert!(text.starts_with("redaction.yaml:5:") && text.contains("redaction.rules[1].targets[0]"));
    /// assert!(text.contains("`span.atributes` is not known; did you mean `span.attributes`?"));
    /// ```
    pub fn from_yaml(name: impl Into<String>, text: &[u8]) -> Result<Read<Self>, Problems> {
        let document = Document::parse(name, text, |name| std::env::var(name).ok())?;
        Self::from_document(&document, None)
    }

    /// Reads rules from a section `redaction` of our own, or from a processor `redaction` or `attributes` of a Collector's file or
    /// alone. A file with several of these processors needs the name of one in `processor`: `Some("redaction/name")`.
    ///
    /// A part of a processor that the rules cannot express is an error, because the values would leave as they are. `docs/redaction.md`
    /// lists the parts that load.
    ///
    /// # Errors
    /// Every mistake with its line, its path and, for an unknown key or value, the nearest known one. No error shows a hash key.
    pub fn from_document(
        document: &Document,
        processor: Option<&str>,
    ) -> Result<Read<Self>, Problems> {
        // Without a block, the error about it is the only one.
        document.read(|root| find(&root, processor).map(Self::from_block).unwrap_or_default())
    }

    /// Reads a section of our own, which a larger file has: the value of `redaction`. The field reports mistakes, and rules with one are
    /// left out.
    pub fn from_field(field: &Field<'_>) -> Self {
        section::read(field)
    }

    /// Reads the block of a processor `redaction` or `attributes` of a Collector's file, which has the name `name` there, such as
    /// `redaction/cards`; `None` for a processor of another type. A block `redaction` may have the keys of a section of our own. The field
    /// reports mistakes, and rules with one are left out.
    pub fn from_processor(name: &str, field: &Field<'_>) -> Option<Self> {
        Some(Self::from_block(block(name, field)?))
    }

    fn from_block(block: Block<'_>) -> Self {
        match block {
            Block::Section(field) => Self::from_field(&field),
            Block::Redaction(field) => redaction_processor::read(&field),
            Block::Attributes(field) => attributes_processor::read(&field),
        }
    }
}
