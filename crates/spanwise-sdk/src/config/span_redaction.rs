//! Redaction of spans, scopes and the resource.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::reload::running::FixedSetting;
use super::settings;
use crate::redaction::SpanRedaction;

impl SpanwiseBuilder {
    /// Changes spans, the resource and scopes by the rules of a `Redactor` before anything else sees them: deletes, masks, hashes,
    /// truncates and renames attributes, names and status messages. Default: the rules of the configuration file, or of the file that
    /// `SPANWISE_REDACTION_FILE` names, or none.
    ///
    /// Rules apply on the thread that ends a span, before it is buffered. Span processors, metrics of spans, tail sampling, live views,
    /// sinks and every exporter get the changed span. Two get names and attributes as they are, because they need them before the end: the
    /// sampler at a span's start, and the program itself. The resource changes once, in [`build`](Self::build), and a scope when
    /// a tracer is made; the service name that remote sampling sends to its collector stays.
    ///
    /// A rule that cannot run on a value deletes the value, never the span, and is counted. So are attributes, events and links of a span
    /// that masks and hashes make longer than [`SpanLimits::span_bytes`](crate::SpanLimits::span_bytes).
    /// [`metrics`](crate::Spanwise::metrics) and [`LiveSnapshot::redaction`](crate::LiveSnapshot::redaction) have the counts of each rule.
    /// A [reload](crate::Spanwise::reload) does not change the rules: scopes and the resource were encoded with those of the build.
    ///
    /// ```
    /// # mod spanwise { pub use spanwise_sdk::*; pub mod redaction { pub use spanwise_redact::*; } }
    /// use spanwise::redaction::{Preset, Redactor, Rule};
    /// use spanwise::{SpanKind, Spanwise};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let redactor = Redactor::builder()
    ///         .with_preset(Preset::Email)
    ///         .with_rule(Rule::delete(["http.request.header.*"]))
    ///         .build()?;
    ///     let spanwise = Spanwise::builder().with_redaction(redactor).build()?;
    ///     let mut span = spanwise.tracer("shop").root("GET /orders", SpanKind::Server);
    ///     span.attribute("http.request.header.cookie", "session=7");
    ///     span.attribute("enduser.note", "write to ann@example.com");
    ///     // It is exported without the header, and with the note `write to ****`.
    ///     span.finish();
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cost
    /// None without rules. With them, the start and the end of each span leave the path of the usual span, and the end makes a pass over
    /// the texts of the span. It takes no lock and allocates nothing once the process is warm, but for spans beyond 8 KiB.
    #[cfg(feature = "redaction")]
    pub fn with_redaction(mut self, redactor: spanwise_redact::Redactor) -> Self {
        self.redaction = Some(redactor);
        self
    }

    /// The rules of a provider.
    pub(super) fn span_redaction(&self) -> Option<Box<SpanRedaction>> {
        #[cfg(feature = "redaction")]
        return self.redaction.clone().map(|redactor| Box::new(SpanRedaction::new(redactor)));
        #[cfg(not(feature = "redaction"))]
        None
    }

    /// The encoded resource after redaction.
    pub(super) fn redacted_resource(&self, encoded: Vec<u8>) -> Vec<u8> {
        match self.span_redaction() {
            Some(redaction) => redaction.resource(&encoded),
            None => encoded,
        }
    }

    /// Records the rules as a setting.
    pub(super) fn record_redaction(&self, environment: &Environment) {
        environment.effective(&settings::REDACTION, || self.redaction_description());
    }

    /// The rules, for the comparison with the next configuration.
    pub(super) fn fixed_redaction(&self) -> FixedSetting {
        let redaction = self.span_redaction();
        let identity = redaction.map(|it| it.identity().to_ne_bytes().to_vec()).unwrap_or_default();
        FixedSetting::new(METHOD, identity, &self.redaction_description())
    }

    /// The number of rules, without their patterns.
    fn redaction_description(&self) -> String {
        match self.span_redaction().map(|redaction| redaction.rules()) {
            None => "none".to_owned(),
            Some(1) => "1 rule".to_owned(),
            Some(rules) => format!("{rules} rules"),
        }
    }
}

const METHOD: &str = "with_redaction";
