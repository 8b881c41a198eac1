//! Redaction: values as errors and reports print them, without possible secrets.

use spanwise_worker::__private::is_pem;
use spanwise_worker::redact_url;

use crate::diagnostics::sanitize;
use std::net::{IpAddr, SocketAddr};

/// `value` on one line, without the user info and the query of a URL.
pub(crate) fn shown(value: &str) -> String {
    sanitize(&without_credentials(value))
}

/// A value of `OTEL_TRACES_SAMPLER_ARG`: numbers, and the endpoint if it holds neither user nor
/// query. A secret may contain the separators of the list, so the text beside one is redacted too.
pub(crate) fn shown_argument(value: &str) -> String {
    if value.contains(['@', '?', '#']) {
        return REDACTED.to_owned();
    }
    let parts = value.split(',').map(|part| match part.split_once('=') {
        Some((key, url)) if key.trim() == "endpoint" && is_plain_url(url) => {
            format!("endpoint={url}")
        }
        Some((key, _)) if key.trim() == "endpoint" => format!("endpoint={REDACTED}"),
        Some((key, number)) if ARGUMENTS.contains(&key.trim()) && is_number(number) => {
            format!("{}={number}", key.trim())
        }
        Some((key, _)) if ARGUMENTS.contains(&key.trim()) => format!("{}={REDACTED}", key.trim()),
        None if is_number(part) => part.to_owned(),
        _ => REDACTED.to_owned(),
    });
    sanitize(&parts.collect::<Vec<_>>().join(","))
}

/// A value that should be one of a few names. The user may have meant a longer value, or one with other
/// characters, for another variable, so it is redacted.
pub(crate) fn shown_name(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let is_name = value.len() <= MAX_NUMBER && value.chars().all(is_plain);
    if is_name { value.to_owned() } else { REDACTED.to_owned() }
}

/// A value that should be a path. A user who takes the variable for the certificate itself may have
/// put a private key there.
pub(crate) fn shown_path(value: &str) -> String {
    if is_pem(value) || value.len() > MAX_PATH {
        return format!("[{} bytes]", value.len());
    }
    shown(value)
}

/// A value that should be an address and a port. Any other text may be a secret in the wrong place.
pub fn shown_address(value: &str) -> String {
    let is_localhost =
        |(host, port): (&str, &str)| host == "localhost" && port.parse::<u16>().is_ok();
    let is_address = value.parse::<SocketAddr>().is_ok()
        || value.parse::<IpAddr>().is_ok()
        || value.rsplit_once(':').is_some_and(is_localhost);
    if is_address { value.to_owned() } else { REDACTED.to_owned() }
}

/// Whether `text` has a scheme, and only characters of a host, a port and a path.
fn is_plain_url(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '-' | '_');
    text.trim().split_once("://").is_some_and(|(_, rest)| rest.chars().all(is_plain))
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    text.len() <= MAX_NUMBER && text.parse::<f64>().is_ok()
}

/// `value` without user info, query and fragment of a URL: each may contain a secret.
fn without_credentials(value: &str) -> String {
    // The text in front of an `@` that is written as `%40` may be a password.
    if value.contains("%40") {
        return REDACTED.to_owned();
    }
    let Some(end) = value.find("://") else { return without_user_and_query(value) };
    // A list such as `endpoint=http://host` has the scheme after a name.
    let name = value.get(..end).unwrap_or_default().trim_end_matches(is_of_scheme);
    // A `://` may also stand in a password or in a query.
    match value.strip_prefix(name) {
        Some(url) if !name.contains([':', '@', '?', '#']) => format!("{name}{}", redact_url(url)),
        _ => REDACTED.to_owned(),
    }
}

/// `value`, which has no scheme, without what may be the user info or the query of a URL.
fn without_user_and_query(value: &str) -> String {
    let value = match value.split_once('?') {
        // An `@` this late ends a password that holds a `?`.
        Some((_, query)) if query.contains('@') => return REDACTED.to_owned(),
        Some((before, query)) if query.contains('=') => format!("{before}?{REDACTED}"),
        _ => value.to_owned(),
    };
    match value.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{REDACTED}@{host}"),
        _ => value,
    }
}

/// Whether the scheme of a URL may contain `c` (RFC 3986, 3.1).
fn is_of_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// The text in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";
/// The text in place of a value that is not UTF-8.
pub(crate) const NOT_TEXT: &str = "[not UTF-8]";
/// The keys of `OTEL_TRACES_SAMPLER_ARG` whose values are numbers.
const ARGUMENTS: [&str; 3] = ["pollingIntervalMs", "initialSamplingRate", "polling_interval"];
/// Bytes of the longest path that a report prints; usual paths are far shorter.
const MAX_PATH: usize = 512;
const MAX_NUMBER: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies as openssl writes them: PKCS#8 of Ed25519 and of P-256, SEC 1 of P-256.
    #[test]
    fn a_key_in_the_place_of_a_path_does_not_show() {
        for key in ["MC4CAQAwBQYDK2VwBCIEI", "MIGHAgEAMBMGByqGSM49AgEG", "MHcCAQEEIIrYSSNQFaA2"] {
            let key = format!("{key}{}", "Ab3/+".repeat(8));
            assert_eq!(shown_path(&key), format!("[{} bytes]", key.len()));
        }
        for path in ["/etc/ssl/certs/ca-certificates.crt", "C:\\certs\\ca.pem", "ca.pem"] {
            assert_eq!(shown_path(path), path);
        }
    }

    #[test]
    fn credentials_do_not_show() {
        for (value, expected) in [
            ("plain @ text?", "plain @ text?"),
            ("endpoint=http://u:p@h/x,interval=0", "endpoint=http://[redacted]@h/x,interval=0"),
            ("endpoint=http://u:p,q@h/?key=secret", "endpoint=http://[redacted]@h/?[redacted]"),
            ("http://h/?key=a@b", "http://[redacted]?[redacted]"),
            ("h/?key=a@b", "[redacted]"),
            ("u:p@h:4317", "[redacted]@h:4317"),
            ("h/x?key=secret", "h/x?[redacted]"),
            ("http://h/#hunter2", "http://h/#[redacted]"),
            ("endpoint=http://h/#hunter2", "endpoint=http://h/#[redacted]"),
            ("u:hunter2://x@h", "[redacted]"),
            ("hunter2@x://h", "[redacted]"),
            ("a?key=hunter2://h", "[redacted]"),
            ("http://u:hunter2%40h:4318/", "[redacted]"),
            ("a\nb", "a b"),
        ] {
            assert_eq!(shown(value), expected);
        }
    }

    #[test]
    fn an_argument_shows_numbers_and_a_plain_endpoint() {
        for (value, expected) in [
            ("1.5", "1.5"),
            ("hunter2", "[redacted]"),
            ("endpoint=ftp://h, pollingIntervalMs=0", "endpoint=ftp://h,pollingIntervalMs=0"),
            ("endpoint=hunter2", "endpoint=[redacted]"),
            ("endpoint=http://h/;k=hunter2", "endpoint=[redacted]"),
            ("endpoint=http:uhunter2%40h", "endpoint=[redacted]"),
            ("endpoint=http://u:hunter2@h", "[redacted]"),
            ("endpoint=http://u:hun,ter2@h", "[redacted]"),
            ("endpoint=http://h/?k=a,hunter2", "[redacted]"),
            ("apikey=hunter2,pollingIntervalMs=5", "[redacted],pollingIntervalMs=5"),
            ("pollingIntervalMs=hunter2", "pollingIntervalMs=[redacted]"),
        ] {
            assert_eq!(shown_argument(value), expected);
        }
    }
}
