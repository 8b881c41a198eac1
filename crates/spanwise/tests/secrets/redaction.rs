//! Rules of redaction, and the buffers that redacted a secret.

use crate::printed::{Printed, SECRET};
use spanwise::redaction::{Redactor, Rule, Scratch};
use spanwise::wire::write::{SpanHeader, SpanWriter};
use spanwise::{SpanLimits, Spanwise};

pub fn redaction_does_not_show_its_secrets(printed: &Printed) {
    let hash_key = SECRET.repeat(2);
    let builder = Redactor::builder()
        .with_rule(Rule::mask(["token"]))
        .with_rule(Rule::hash(["user.id"]))
        .with_hash_key(hash_key.clone());
    printed.debug("RedactorBuilder", &builder);
    let redactor = builder.build().unwrap();
    printed.debug("Redactor", &redactor);
    let mut writer = SpanWriter::new();
    writer.begin(&SpanLimits::default(), "span");
    writer.attribute(&SpanLimits::default(), "token", SECRET);
    writer.attribute(&SpanLimits::default(), "user.id", SECRET);
    let mut scratch = Scratch::default();
    let header = SpanHeader::default();
    redactor.redact_span(writer.finish(&header).body(), &mut scratch);
    printed.debug("Scratch", &scratch);
    let short = Redactor::builder().with_hash_key(SECRET).build();
    printed.error("RedactError", short.unwrap_err());
    printed.debug("SpanwiseBuilder", Spanwise::builder().with_redaction(redactor));
}
