//! Counts in the lines of diagnostics.

use spanwise_ledger::{DropReason, Snapshot};
use std::fmt;

/// A count with its noun: `1 span`, `2 spans`.
pub(crate) struct Counted(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Writes the number of lost spans, and their reasons.
pub(super) fn write_lost(f: &mut fmt::Formatter<'_>, place: &str, lost: &Snapshot) -> fmt::Result {
    write!(f, "{} lost{place}:", Counted(lost.dropped_total(), "span"))?;
    for (index, (reason, spans)) in lost.drops().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(f, "{comma} {} {spans}", reason.name())?;
    }
    write!(f, " ({} exported meanwhile)", lost.exported)?;
    match lost.dropped(DropReason::QueueBytes) {
        0 => Ok(()),
        _ => f.write_str(
            "; queue_bytes: spans came faster than they were sent, and the budget was full: a larger one bridges \
             a burst",
        ),
    }
}
