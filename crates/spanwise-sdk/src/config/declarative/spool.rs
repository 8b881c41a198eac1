//! The section `spool` of `distribution.spanwise`.

use super::super::builder::SpanwiseBuilder;
use super::super::settings::{SPOOL_MAX_AGE, SPOOL_MAX_BYTES, Setting};
use crate::spool_settings::SpoolSettings;
use spanwise_config::Field;
use std::path::PathBuf;
use std::time::Duration;

/// Reads a section. `None` without one, or after an error.
///
/// ```yaml
/// distribution:
///   spanwise:
///     spool:
///       directory: /var/lib/shop/spans
///       max_bytes: 1073741824
///       max_age: 259200000 # milliseconds
/// ```
pub(super) fn read(field: Field<'_>) -> Option<SpoolSettings> {
    if !field.exists() {
        return None;
    }
    if cfg!(not(feature = "spool")) {
        field.error(
            "it needs the feature `spool`: without it, an outage of the receiver costs spans",
        );
        return None;
    }
    let section = field.mapping(&["directory", "max_bytes", "max_age"]);
    let number = |key: &str, setting: &Setting| {
        let (least, most) = setting.range().into_inner();
        let number =
            section.get(key).integer(least as i64..=i64::try_from(most).unwrap_or(i64::MAX))?;
        u64::try_from(number).ok()
    };
    let directory = section.get("directory").required();
    Some(SpoolSettings {
        directory: directory.string().map(PathBuf::from),
        max_bytes: number("max_bytes", &SPOOL_MAX_BYTES),
        max_age: number("max_age", &SPOOL_MAX_AGE).map(Duration::from_millis),
    })
}

/// Fills `builder` where the code is silent.
pub(super) fn apply(settings: SpoolSettings, builder: &mut SpanwiseBuilder) {
    builder.spool = std::mem::take(&mut builder.spool).or(settings);
}
