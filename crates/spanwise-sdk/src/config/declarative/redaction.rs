//! `distribution.spanwise`, with its section `redaction`.

use super::super::builder::SpanwiseBuilder;
use super::super::error::BuildError;
use crate::spool_settings::SpoolSettings;
use spanwise_config::Field;
#[cfg(feature = "redaction")]
use spanwise_redact::RedactorBuilder;

/// The rules of a section, which are compiled once the file has no mistake.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "redaction"), allow(dead_code, reason = "no section is accepted"))]
pub(super) struct Redaction<'d> {
    field: Field<'d>,
    #[cfg(feature = "redaction")]
    rules: RedactorBuilder,
}

/// Reads `distribution`: the settings of other distributions are none of ours.
pub(super) fn of_distribution<'d>(
    distribution: &Field<'d>,
) -> (Option<Redaction<'d>>, Option<SpoolSettings>) {
    let (mut redaction, mut spool) = (None, None);
    for (name, field) in distribution.entries() {
        if name == "spanwise" {
            let sections = field.mapping(&["redaction", "spool"]);
            redaction = read(sections.get("redaction"));
            spool = super::spool::read(sections.get("spool"));
        } else {
            field.warning("it has no effect: Spanwise has its settings in `distribution.spanwise`");
        }
    }
    (redaction, spool)
}

/// Reads a section. `None` without one, or after an error.
pub(super) fn read(field: Field<'_>) -> Option<Redaction<'_>> {
    if !field.exists() {
        return None;
    }
    #[cfg(feature = "redaction")]
    return Some(Redaction { rules: RedactorBuilder::from_field(&field), field });
    #[cfg(not(feature = "redaction"))]
    {
        field.error("it needs the feature `redaction`: without it, spans would leave as they are");
        None
    }
}

impl Redaction<'_> {
    /// Fills `builder` where the code is silent.
    ///
    /// # Errors
    /// The rules cannot be compiled together.
    #[cfg(feature = "redaction")]
    pub(super) fn apply(self, builder: &mut SpanwiseBuilder) -> Result<(), BuildError> {
        if builder.redaction.is_none() {
            let built =
                self.rules.build().map_err(|error| self.field.problem(error.to_string()))?;
            builder.redaction = Some(built);
        }
        Ok(())
    }

    #[cfg(not(feature = "redaction"))]
    pub(super) fn apply(self, _: &mut SpanwiseBuilder) -> Result<(), BuildError> {
        Ok(())
    }
}
