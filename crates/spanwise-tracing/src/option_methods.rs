//! The choices of a layer, which a subscriber has too.

/// The methods that set the fields of [`Options`](crate::options::Options), for a type that has `spans`.
macro_rules! option_methods {
    () => {
        /// Starts spans by `tracer`, to choose the instrumentation scope.
        #[must_use]
        pub fn with_tracer(mut self, tracer: Tracer) -> Self {
            self.spans.set_tracer(tracer);
            self
        }

        /// Adds file, module and line of the callsite to spans and events: `code.file.path`, `code.module.name`,
        /// `code.line.number`. Default off: three attributes a span.
        #[must_use]
        pub fn with_location(mut self, location: bool) -> Self {
            self.spans.options.location = location;
            self
        }

        /// Adds the thread that starts a span: `thread.id`, `thread.name`. Default off: two attributes a span.
        #[must_use]
        pub fn with_threads(mut self, threads: bool) -> Self {
            self.spans.options.threads = threads;
            self
        }

        /// Adds the level of a span: `level`. Default off. Events always have it.
        #[must_use]
        pub fn with_level(mut self, level: bool) -> Self {
            self.spans.options.level = level;
            self
        }

        /// Adds the target of a span: `target`. Default off. Events always have it.
        #[must_use]
        pub fn with_target(mut self, target: bool) -> Self {
            self.spans.options.target = target;
            self
        }

        /// Measures the time inside of a span and the time that it is open without being entered: `busy_ns`, `idle_ns`.
        /// Default off: a lock and a reading of the clock for each enter and exit.
        #[must_use]
        pub fn with_tracked_inactivity(mut self, tracked_inactivity: bool) -> Self {
            self.spans.options.tracked_inactivity = tracked_inactivity;
            self
        }

        /// Makes the entered span the current span of `opentelemetry::Context::current()`, for propagators, for the correlation of
        /// logs and for code that uses the API. Default on.
        ///
        /// # Cost
        /// Two allocations for a recorded span, one for any other.
        #[must_use]
        pub fn with_context_activation(mut self, context_activation: bool) -> Self {
            self.spans.options.context_activation = context_activation;
            self
        }

        /// Adds `exception.message` and `exception.stacktrace` where a field of a span or an event is an error
        /// (`&dyn std::error::Error`). Default on.
        #[must_use]
        pub fn with_error_fields_to_exceptions(mut self, is_on: bool) -> Self {
            self.spans.options.errors.fields_to_exceptions = is_on;
            self
        }

        /// Adds the exception attributes of an event with an error to its span too. Default on.
        #[must_use]
        pub fn with_error_records_to_exceptions(mut self, is_on: bool) -> Self {
            self.spans.options.errors.records_to_exceptions = is_on;
            self
        }

        /// Makes the field `error` of an event without a message, as of `#[instrument(err)]`, the description of the span's status.
        /// Default on.
        #[must_use]
        pub fn with_error_events_to_status(mut self, is_on: bool) -> Self {
            self.spans.options.errors.events_to_status = is_on;
            self
        }

        /// Names an event without a message and with a field `error` `exception`, and that field `exception.message`. Default on.
        #[must_use]
        pub fn with_error_events_to_exceptions(mut self, is_on: bool) -> Self {
            self.spans.options.errors.events_to_exceptions = is_on;
            self
        }

        /// The spans that may be open at a time. Default 65,536. Each open span beyond is dropped at its start, and the ledger counts
        /// it (`too_many_open_spans`).
        ///
        /// Slots are charged to the byte budget of the provider as they are first used.
        #[must_use]
        pub fn with_max_open_spans(mut self, max_open_spans: usize) -> Self {
            self.spans.set_max_open(max_open_spans);
            self
        }
    };
}

pub(crate) use option_methods;
