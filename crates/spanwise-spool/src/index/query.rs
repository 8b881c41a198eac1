//! Records by time and service.

/// Which records to find: those that may have a span of the service within the times.
///
/// ```
/// use spanwise_spool::RecordQuery;
///
/// let hour = 3_600_000_000_000;
/// let query = RecordQuery::default().with_times(5 * hour..=6 * hour).with_service("checkout");
/// assert_eq!(query.service(), Some("checkout"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordQuery {
    times: Option<std::ops::RangeInclusive<u64>>,
    service: Option<String>,
}

impl RecordQuery {
    /// Only records whose spans and these times have a time in common, in nanoseconds since the Unix epoch.
    /// A record without any time of a span is left out.
    #[must_use]
    pub fn with_times(mut self, times: std::ops::RangeInclusive<u64>) -> Self {
        self.times = Some(times);
        self
    }

    /// Only records with spans whose resource has this `service.name`; `""` is a resource without one.
    #[must_use]
    pub fn with_service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// The times, if they are limited.
    pub fn times(&self) -> Option<&std::ops::RangeInclusive<u64>> {
        self.times.as_ref()
    }

    /// The service, if it is limited to one.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }
}
