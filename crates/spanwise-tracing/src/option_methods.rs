//! The choices of a layer, which a subscriber has too.

/// The methods that set the fields of [`Options`](crate::options::Options), for a type that has `rebuilt` and `max_open_spans`.
macro_rules! option_methods {
    () => {
        /// Starts spans by `tracer`, to choose the instrumentation scope.
        #[must_use]
        pub fn with_tracer(self, tracer: Tracer) -> Self {
            self.rebuilt(|parts| parts.0 = tracer)
        }

        /// Adds file, module and line of the callsite to spans and events: `code.file.path`, `code.module.name`,
        /// `code.line.number`. Default off: three attributes a span.
        #[must_use]
        pub fn with_location(self, location: bool) -> Self {
            self.rebuilt(|parts| parts.1.location = location)
        }

        /// Adds the thread that starts a span: `thread.id`, `thread.name`. Default off: two attributes a span.
        #[must_use]
        pub fn with_threads(self, threads: bool) -> Self {
            self.rebuilt(|parts| parts.1.threads = threads)
        }

        /// Adds the level of a span: `level`. Default off. Events always have it.
        #[must_use]
        pub fn with_level(self, level: bool) -> Self {
            self.rebuilt(|parts| parts.1.level = level)
        }

        /// Adds the target of a span: `target`. Default off. Events always have it.
        #[must_use]
        pub fn with_target(self, target: bool) -> Self {
            self.rebuilt(|parts| parts.1.target = target)
        }

        /// Measures the time inside of a span and the time that it is open without being entered: `busy_ns`, `idle_ns`.
        /// Default off: a lock and a reading of the clock for each enter and exit.
        #[must_use]
        pub fn with_tracked_inactivity(self, tracked_inactivity: bool) -> Self {
            self.rebuilt(|parts| parts.1.tracked_inactivity = tracked_inactivity)
        }

        /// Makes the entered span the current span of `opentelemetry::Context::current()`, for propagators, for the correlation of
        /// logs and for code that uses the API. Default on.
        ///
        /// # Cost
        /// Two allocations for a recorded span, one for any other.
        #[must_use]
        pub fn with_context_activation(self, context_activation: bool) -> Self {
            self.rebuilt(|parts| parts.1.context_activation = context_activation)
        }

        /// Adds `exception.message` and `exception.stacktrace` where a field of a span or an event is an error
        /// (`&dyn std::error::Error`). Default on.
        #[must_use]
        pub fn with_error_fields_to_exceptions(self, is_on: bool) -> Self {
            self.rebuilt(|parts| parts.1.errors.fields_to_exceptions = is_on)
        }

        /// Adds the exception attributes of an event with an error to its span too. Default on.
        #[must_use]
        pub fn with_error_records_to_exceptions(self, is_on: bool) -> Self {
            self.rebuilt(|parts| parts.1.errors.records_to_exceptions = is_on)
        }

        /// Makes the field `error` of an event without a message, as of `#[instrument(err)]`, the description of the span's status.
        /// Default on.
        #[must_use]
        pub fn with_error_events_to_status(self, is_on: bool) -> Self {
            self.rebuilt(|parts| parts.1.errors.events_to_status = is_on)
        }

        /// Names an event without a message and with a field `error` `exception`, and that field `exception.message`. Default on.
        #[must_use]
        pub fn with_error_events_to_exceptions(self, is_on: bool) -> Self {
            self.rebuilt(|parts| parts.1.errors.events_to_exceptions = is_on)
        }

        /// The spans that may be open at a time. Default 65,536. Each open span beyond is dropped at its start, and the ledger counts
        /// it (`too_many_open_spans`).
        ///
        /// Slots are charged to the byte budget of the provider as they are first used.
        #[must_use]
        pub fn with_max_open_spans(mut self, max_open_spans: usize) -> Self {
            self.max_open_spans = max_open_spans;
            self.rebuilt(|_| {})
        }
    };
}

pub(crate) use option_methods;
