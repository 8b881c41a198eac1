//! The section `memory`.

use super::values::mib;
use crate::memory::MIN_BYTES;
use crate::settings::MemoryLimit;
use spanwise_config::Field;

pub(super) fn read(field: &Field<'_>) -> MemoryLimit {
    let mapping = field.mapping(KEYS);
    let (bytes, share) = (mapping.get("limit_mib"), mapping.get("limit_percentage"));
    if bytes.has_value() && share.has_value() {
        share.error("`limit_mib` is there too: use one of them");
    }
    if bytes.has_value() {
        let limit = mib(&bytes);
        if limit.is_some_and(|limit| limit < MIN_BYTES) {
            bytes.error(format!("accepted are {} MiB or more", MIN_BYTES >> 20));
        }
        return limit.map(MemoryLimit::Bytes).unwrap_or_default();
    }
    percentage(&share).unwrap_or_default()
}

pub(super) const KEYS: &[&str] = &["limit_mib", "limit_percentage"];

/// A share in percent.
pub(super) fn percentage(field: &Field<'_>) -> Option<MemoryLimit> {
    let percent = if field.has_value() { field.number(1.0..=100.0) } else { None };
    percent.map(|percent| MemoryLimit::Share(percent / 100.0))
}
