//! The file of a node, which is read at the start and at each reload.

use super::context::{ConfigOptions, Context};
use super::{collector, node_file};
use crate::settings::NodeSettings;
use crate::start_error::ExitKind;
use spanwise_config::{Document, Problems, Read};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// The file of a node, with the options of the command line.
///
/// A file with the key `service` or `exporters` at its root is one of the Collector; any other is a spanwise-node file.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    path: PathBuf,
    options: ConfigOptions,
}

impl ConfigSource {
    /// A file, which is not read yet.
    pub fn new(path: impl Into<PathBuf>, options: ConfigOptions) -> Self {
        Self { path: path.into(), options }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file, with the variables of this process, and the certificates, keys and tokens that it names.
    ///
    /// # Errors
    /// The file or one that it names cannot be read, or has mistakes: all of them.
    pub fn read(&self) -> Result<Read<NodeSettings>, ConfigError> {
        let document = Document::open(&self.path, |name| std::env::var(name).ok())?;
        read(&document, &Context::new(&self.options, true))
    }
}

impl NodeSettings {
    /// Reads the settings of a file of either kind. Certificates and keys are not read: the start of a node and [`ConfigSource::read`]
    /// do that.
    ///
    /// # Errors
    /// Every mistake with its line, its path and, for an unknown key or value, the nearest known one. No error shows a token, a header
    /// or the value of a variable.
    ///
    /// ```
    /// use spanwise_config::Document;
    /// use spanwise_node::{ConfigOptions, settings::NodeSettings};
    ///
    /// let text = b"
    /// receivers:
    ///   - {endpoint: '0.0.0.0:4317'}
    /// destinations:
    ///   - name: backend
    ///     otlp: {endpoint: 'https://otlp.example.com', compresion: zstd}
    /// ";
    /// let document = Document::parse("node.yaml", text, |_| None)?;
    /// let error = NodeSettings::from_document(&document, &ConfigOptions::default()).unwrap_err().to_string();
    /// assert!(error.contains("node.yaml:3:16: receivers[0].endpoint: other machines reach it"), "{error}");
    /// assert!(error.contains("node.yaml:6:50: destinations[0].otlp.compresion: unknown key; did you mean `compression`?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_document(
        document: &Document,
        options: &ConfigOptions,
    ) -> Result<Read<Self>, ConfigError> {
        read(document, &Context::new(options, false))
    }
}

fn read(document: &Document, context: &Context<'_>) -> Result<Read<NodeSettings>, ConfigError> {
    let read = document.read(|root| match collector::is_collector(&root) {
        true => collector::read(&root, context),
        false => node_file::read(&root, context),
    });
    read.map_err(|problems| {
        let is_unreadable = problems.iter().len() == context.unreadable_count();
        let kind = if is_unreadable { ExitKind::Key } else { ExitKind::Settings };
        ConfigError { problems, kind }
    })
}

/// The mistakes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Problems,
    kind: ExitKind,
}

impl ConfigError {
    /// The mistakes, in the order of the file.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// [`ExitKind::Key`] if keys, certificates and tokens that cannot be read are the only mistakes, else [`ExitKind::Settings`].
    pub fn kind(&self) -> ExitKind {
        self.kind
    }
}

impl From<Problems> for ConfigError {
    fn from(problems: Problems) -> Self {
        Self { problems, kind: ExitKind::Settings }
    }
}

/// One line for each mistake.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.fmt(f)
    }
}

impl Error for ConfigError {}
