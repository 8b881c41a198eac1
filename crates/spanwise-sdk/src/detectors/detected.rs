//! The result of the resource detectors.

use opentelemetry::{KeyValue, Value};

/// Attributes that were detected, and those that could not be.
#[derive(Debug, Default)]
pub(crate) struct Detected {
    pub(crate) attributes: Vec<KeyValue>,
    /// An attribute and why it is missing; one that the system does not have is not listed.
    pub(crate) missing: Vec<(&'static str, String)>,
}

impl Detected {
    pub(super) fn add(&mut self, attribute: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(attribute, value));
    }

    /// Adds a text that was read: nothing if it is empty or the system has none.
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
