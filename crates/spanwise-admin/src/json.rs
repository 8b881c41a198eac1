//! A writer of JSON (RFC 8259): the crate needs no library for one document.

use std::fmt::Write as _;

/// Writes JSON values one after the other, with the commas between them.
#[derive(Debug, Default)]
pub struct Json {
    text: String,
    /// Whether the next value needs a comma before it.
    has_previous: bool,
}

impl Json {
    /// A writer of one value.
    #[must_use]
    pub fn new() -> Self {
        Self { text: String::with_capacity(8 << 10), has_previous: false }
    }

    /// Writes an object whose fields `fields` writes.
    pub fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.nested('{', '}', fields);
    }

    /// Writes an array whose values `values` writes.
    pub fn array(&mut self, values: impl FnOnce(&mut Self)) {
        self.nested('[', ']', values);
    }

    /// Writes the name of a field, whose value follows.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.quote(name);
        self.text.push(':');
        self.has_previous = false;
        self
    }

    /// Writes a text.
    pub fn string(&mut self, value: &str) {
        self.separate();
        self.quote(value);
        self.has_previous = true;
    }

    /// Writes a number, or null for none and for one that JSON does not have.
    pub fn number(&mut self, value: impl Into<Option<f64>>) {
        self.separate();
        match value.into().filter(|value| value.is_finite()) {
            // Up to 15 digits are exact in every reader.
            Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                let _infallible = write!(self.text, "{value:.0}");
            }
            Some(value) => {
                let _infallible = write!(self.text, "{value}");
            }
            None => self.text.push_str("null"),
        }
        self.has_previous = true;
    }

    /// Writes an integer.
    pub fn integer(&mut self, value: u64) {
        self.separate();
        let _infallible = write!(self.text, "{value}");
        self.has_previous = true;
    }

    /// Writes true or false.
    pub fn boolean(&mut self, value: bool) {
        self.separate();
        self.text.push_str(if value { "true" } else { "false" });
        self.has_previous = true;
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.number(None);
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn nested(&mut self, open: char, close: char, inner: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push(open);
        self.has_previous = false;
        inner(self);
        self.text.push(close);
        self.has_previous = true;
    }

    fn separate(&mut self) {
        if std::mem::take(&mut self.has_previous) {
            self.text.push(',');
        }
    }

    fn quote(&mut self, value: &str) {
        self.text.push('"');
        for letter in value.chars() {
            match letter {
                '"' | '\\' => self.text.extend(['\\', letter]),
                // `<` is escaped so that no text of a span ends a script element of a page that embeds it; the two separators end a
                // line of JavaScript.
                control
                    if control < ' '
                        || matches!(control, '<' | '\u{7f}' | '\u{2028}' | '\u{2029}') =>
                {
                    let _infallible = write!(self.text, "\\u{:04x}", u32::from(control));
                }
                letter => self.text.push(letter),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::Json;

    #[test]
    fn values_of_every_kind_are_read_back_by_another_implementation() {
        let mut json = Json::new();
        json.object(|json| {
            json.key("text").string("a\"b\\c\n\u{0}</script>\u{2028}é");
            json.key("numbers").array(|json| {
                json.number(0.25);
                json.number(1e300);
                json.number(f64::NAN);
                json.number(-3.0);
                json.integer(u64::MAX);
            });
            json.key("empty").object(|_| {});
            json.key("none").null();
        });
        let text = json.finish();
        assert!(!text.contains('<'), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "text": "a\"b\\c\n\u{0}</script>\u{2028}é",
            "numbers": [0.25, 1e300, null, -3, u64::MAX],
            "empty": {},
            "none": null,
        });
        assert_eq!(value, expected);
    }
}
