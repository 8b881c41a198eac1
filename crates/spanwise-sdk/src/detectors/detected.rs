//! The result of the resource detectors.

use opentelemetry::{KeyValue, Value};

/// The detected attributes, and the errors of the others.
#[derive(Debug, Default)]
pub(crate) struct Detected {
    pub(crate) attributes: Vec<KeyValue>,
    /// Attributes with the error of their read. An attribute that the system does not have is no error.
    pub(crate) missing: Vec<(&'static str, String)>,
}

impl Detected {
    pub(super) fn add(&mut self, attribute: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(attribute, value));
    }

    /// Adds a text, unless it is empty or the system does not have it.
    pub(super) fn add_read(
        &mut self,
        attribute: &'static str,
        read: std::io::Result<Option<String>>,
    ) {
        match read {
            Ok(Some(text)) if !text.is_empty() => self.add(attribute, text),
            Ok(_) => {}
            Err(error) => self.missing.push((attribute, error.to_string())),
        }
    }
}
