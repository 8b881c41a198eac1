//! The endpoint of a remote sampler, which may hold credentials.

use crate::setting::SettingError;
use spanwise_worker::redact_url;
use std::fmt;

/// An endpoint that was validated. `Debug` redacts user info, query and fragment.
#[derive(Clone, PartialEq)]
pub(crate) struct Url(String);

impl Url {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&redact_url(&self.0), f)
    }
}

/// An unknown key of an argument of `key=value` pairs, redacted. If the argument holds a URL, a `,`
/// or a `=` inside of its password or query may have cut it: nothing of the other pieces is shown.
pub(crate) fn redacted_key(key: &str, argument: &str) -> String {
    match key.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{REDACTED}"),
        None if argument.contains("://") => REDACTED.to_owned(),
        None => redact_url(key),
    }
}

/// The endpoint without its scheme.
pub(crate) fn authority(url: &str) -> Result<&str, SettingError> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    let rest = rest.filter(|_| url.len() <= URL_BYTES && !url.contains(char::is_control));
    rest.ok_or_else(|| {
        SettingError::new(
            "endpoint",
            redact_url(url),
            "http://host:port or https://…, up to 2048 bytes",
        )
    })
}

/// The maximum length of an endpoint, in bytes.
const URL_BYTES: usize = 2_048;
const REDACTED: &str = "[redacted]";
