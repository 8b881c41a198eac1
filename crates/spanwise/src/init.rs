//! `init`: the provider, its exporter and the propagators in one call.

use crate::{BuildError, Guard, Spanwise};

/// Initializes tracing from the environment: sets the global tracer provider, until the guard is
/// dropped, and the global propagators.
///
/// ```no_run
/// fn main() -> Result<(), spanwise::BuildError> {
///     let _tracing = spanwise::init()?;
///     // … the application runs …
///     Ok(())
/// }
/// ```
///
/// Reads the `OTEL_*` variables named at the methods of [`SpanwiseBuilder`](crate::SpanwiseBuilder),
/// whose documentation defines how they are read; without any, spans are sent to
/// `http://localhost:4318`. Dropping the guard sends the spans that are left, for at most five
/// seconds.
///
/// `OTEL_PROPAGATORS` names the propagators, `tracecontext,baggage` by default; `none` leaves the
/// global propagator as it is.
///
/// With `OTEL_SDK_DISABLED=true` there are no spans, and contexts pass through; with
/// `OTEL_TRACES_EXPORTER=none` spans have ids, to propagate and to log, and are not exported.
///
/// With the feature `admin`, `SPANWISE_ADMIN_ADDRESS=127.0.0.1:9464` starts an `admin::AdminEndpoint` there until
/// the guard is dropped. An address that cannot be used is reported, and no reason for an error.
///
/// # Errors
/// As [`SpanwiseBuilder::build`](crate::SpanwiseBuilder::build): a setting that decides where spans
/// are sent cannot be used. A `main` that returns the error prints the setting, its value and what is
/// accepted.
pub fn init() -> Result<Guard, BuildError> {
    Ok(with_admin_endpoint(Spanwise::builder().init()?))
}

/// Starts the endpoint that the variable asks for, or reports that the program has none.
pub(crate) fn with_admin_endpoint(mut guard: Guard) -> Guard {
    let address = std::env::var(ADMIN_ADDRESS).unwrap_or_default();
    let address = address.trim();
    if !address.is_empty() {
        spanwise_sdk::__private::attach(&mut guard, |spanwise| {
            endpoint(spanwise, address).map_err(|accepted| crate::Diagnostic::SettingIgnored {
                setting: ADMIN_ADDRESS.to_owned(),
                value: spanwise_sdk::__private::shown_address(address),
                accepted,
            })
        });
    }
    guard
}

/// The endpoint, or what is accepted instead of `address`.
#[cfg(feature = "admin")]
fn endpoint(spanwise: &Spanwise, address: &str) -> Result<crate::admin::AdminEndpoint, String> {
    let endpoint = crate::admin::AdminEndpoint::builder().with_address(address);
    endpoint.build(spanwise).map_err(|error| match error {
        crate::admin::AdminError::Setting { accepted, .. } => accepted.to_owned(),
        error => format!("an address that can be bound: {error}"),
    })
}

#[cfg(not(feature = "admin"))]
fn endpoint(_spanwise: &Spanwise, _address: &str) -> Result<(), String> {
    Err("no value, unless the program has the feature `admin` of `spanwise`".to_owned())
}

const ADMIN_ADDRESS: &str = "SPANWISE_ADMIN_ADDRESS";
