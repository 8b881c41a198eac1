//! [`DoctorCheck`]: one step of the doctor and its result.

use spanwise_worker::sanitize;
use std::fmt;

/// One check of a [`DoctorReport`](crate::DoctorReport): its status, the finding as a sentence, and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorCheck {
    name: &'static str,
    status: CheckStatus,
    finding: String,
    fix: Option<String>,
    details: Vec<String>,
    visible_from: VisibleFrom,
}

/// The status of a [`DoctorCheck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckStatus {
    /// The step works.
    Passed,
    /// The step works, and may lose or hide spans.
    Warning,
    /// The step does not work: no span of this program arrives.
    Failed,
    /// The step does not apply, or an earlier one failed.
    Skipped,
}

/// Where a problem of a [`DoctorCheck`] is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VisibleFrom {
    /// Only in the process: by [`doctor`](crate::doctor()).
    Process,
    /// Only outside of it: by the command `spanwise doctor`.
    Outside,
    /// In the process and outside of it.
    Both,
}

impl DoctorCheck {
    /// A check with its finding, for example of a tool that adds its own checks. Texts are limited to 1 KiB each, on one line.
    pub fn new(
        name: &'static str,
        status: CheckStatus,
        visible_from: VisibleFrom,
        finding: impl AsRef<str>,
    ) -> Self {
        let finding = line(finding.as_ref());
        Self { name, status, finding, fix: None, details: Vec::new(), visible_from }
    }

    pub(super) fn both(name: &'static str, status: CheckStatus, finding: impl AsRef<str>) -> Self {
        Self::new(name, status, VisibleFrom::Both, finding)
    }

    pub(super) fn skipped(name: &'static str, reason: impl AsRef<str>) -> Self {
        Self::both(name, CheckStatus::Skipped, reason)
    }

    /// Adds the fix, as a sentence.
    #[must_use]
    pub fn with_fix(mut self, fix: impl AsRef<str>) -> Self {
        self.fix = Some(line(fix.as_ref()));
        self
    }

    /// Adds a line below the finding.
    #[must_use]
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        self.details.push(line(detail.as_ref()));
        self
    }

    /// The step: `configuration`, `sampling`, `DNS`, `connection`, `TLS`, `span` and others.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The status.
    pub fn status(&self) -> CheckStatus {
        self.status
    }

    /// The state that was found, as a sentence without secrets.
    pub fn finding(&self) -> &str {
        &self.finding
    }

    /// The change to make, if something is wrong and the fix is known.
    pub fn fix(&self) -> Option<&str> {
        self.fix.as_deref()
    }

    /// Further lines, such as the settings in use.
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// Where a problem of this kind is visible.
    pub fn visible_from(&self) -> VisibleFrom {
        self.visible_from
    }
}

impl CheckStatus {
    /// The status in one word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl VisibleFrom {
    /// The place in one word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Outside => "outside",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for DoctorCheck {
    /// The status, the step, the finding and where it is visible, on one line; details and the fix below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, finding, .. } = self;
        let (status, place) = (self.status.as_str(), self.visible_from.as_str());
        write!(f, "{status:<8} {name}: {finding} [{place}]")?;
        for detail in &self.details {
            write!(f, "\n         - {detail}")?;
        }
        match &self.fix {
            Some(fix) => write!(f, "\n         fix: {fix}"),
            None => Ok(()),
        }
    }
}

fn line(text: &str) -> String {
    sanitize(text, MAX_LINE)
}

const MAX_LINE: usize = 1 << 10;
