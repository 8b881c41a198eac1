//! URLs of collectors, which may hold credentials.

use crate::setting::SettingError;
use std::fmt;

/// A URL that was checked. `Debug` shows it [`redacted`].
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
        fmt::Debug::fmt(&redacted(&self.0), f)
    }
}

/// `url` without what may be secret: user-info and query.
pub(crate) fn redacted(url: &str) -> String {
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.unwrap_or(url);
    let scheme = &url[..url.len() - rest.len()];
    let (path, query) = match rest.find(['?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    // An `@` this late ends a password that holds a `?`, or stands in the query: who can tell.
    if query.contains('@') {
        return format!("{scheme}{REDACTED}");
    }
    // The last `@`: a password with a `/` in it is no valid URL, but still a secret.
    let (user, path) = match path.rsplit_once('@') {
        Some((_, path)) => (&*format!("{REDACTED}@"), path),
        None => ("", path),
    };
    let query = if query.is_empty() { String::new() } else { format!("?{REDACTED}") };
    format!("{scheme}{user}{path}{query}")
}

/// A key that nobody knows, in an argument of `key=value` pairs. Where that holds a URL, a `,` or a `=`
/// inside its password or query may have cut it there: of what follows nothing is shown.
pub(crate) fn redacted_key(key: &str, argument: &str) -> String {
    match key.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{REDACTED}"),
        None if argument.contains("://") => REDACTED.to_owned(),
        None => redacted(key),
    }
}

/// What follows the scheme of an endpoint.
pub(crate) fn authority(url: &str) -> Result<&str, SettingError> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    let rest = rest.filter(|_| url.len() <= URL_BYTES && !url.contains(char::is_control));
    rest.ok_or_else(|| {
        SettingError::new(
            "endpoint",
            redacted(url),
            "http://host:port or https://…, up to 2048 bytes",
        )
    })
}

/// Bytes of an endpoint.
const URL_BYTES: usize = 2_048;
const REDACTED: &str = "[redacted]";
