//! The section `memory`.

use super::context::Context;
use super::values::mib;
use crate::machine;
use crate::memory::MIN_BYTES;
use crate::settings::MemoryLimit;
use spanwise_config::Field;

pub(super) fn read(field: &Field<'_>, context: &Context<'_>) -> MemoryLimit {
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
        if context.reads_keys {
            check_machine(&bytes, limit);
        }
        return limit.map(MemoryLimit::Bytes).unwrap_or_default();
    }
    percentage(&share).unwrap_or_default()
}

/// Compares the memory with that of this machine, on which the node is to start.
fn check_machine(field: &Field<'_>, limit: Option<usize>) {
    let (Some(limit), Some(all)) = (limit, machine::memory_bytes()) else { return };
    let of_all = format!("the {} MiB of the container or the machine", all >> 20);
    if limit > all {
        field.error(format!("it is more than {of_all}"));
    } else if limit > all / 4 * 3 {
        field.warning(format!("it is more than three quarters of {of_all}, which has to have space for code, stacks and buffers of the system too"));
    }
}

pub(super) const KEYS: &[&str] = &["limit_mib", "limit_percentage"];

/// A share in percent.
pub(super) fn percentage(field: &Field<'_>) -> Option<MemoryLimit> {
    let percent = if field.has_value() { field.number(1.0..=100.0) } else { None };
    percent.map(|percent| MemoryLimit::Share(percent / 100.0))
}
