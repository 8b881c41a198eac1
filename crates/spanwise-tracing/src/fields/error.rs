//! Errors in fields (`&dyn Error`), as in tracing-opentelemetry: the message, and the messages of the sources.

use super::text::append;
use spanwise_sdk::Value;
use spanwise_worker::catch_panic;
use std::error::Error;

/// The attributes of the exception (semantic conventions, *Exceptions*).
pub(crate) const EXCEPTION: &str = "exception";
pub(crate) const EXCEPTION_MESSAGE: &str = "exception.message";
pub(crate) const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";

/// The texts of an error and of its sources.
#[derive(Clone)]
pub(crate) struct ErrorTexts {
    pub(crate) message: String,
    pub(crate) chain: Vec<String>,
}

impl ErrorTexts {
    /// Formats the error and at most [`MAX_SOURCES`] sources. A panic of their code is caught.
    pub(crate) fn of(error: &(dyn Error + 'static), max_bytes: usize) -> Self {
        let text = |error: &(dyn Error + 'static)| {
            let mut text = String::new();
            append(&mut text, max_bytes, format_args!("{error}"));
            text
        };
        let mut chain = Vec::new();
        let mut next = source(error);
        while let Some(source_error) = next
            && chain.len() < MAX_SOURCES
        {
            chain.push(text(source_error));
            next = source(source_error);
        }
        Self { message: text(error), chain }
    }

    /// The attributes of the span in which the error occurred.
    pub(crate) fn attributes(&self) -> [(&'static str, Value<'_>); 2] {
        [
            (EXCEPTION_MESSAGE, Value::Str(&self.message)),
            (EXCEPTION_STACKTRACE, Value::Strings(&self.chain)),
        ]
    }
}

fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    catch_panic(|| error.source()).unwrap_or_default()
}

/// An error can be its own source.
const MAX_SOURCES: usize = 64;
