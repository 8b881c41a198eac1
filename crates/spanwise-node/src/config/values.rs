//! Values that several sections have.

use spanwise_config::{Field, Mapping};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// A boolean; false without one.
pub(super) fn flag(mapping: &Mapping<'_>, key: &str) -> bool {
    let field = mapping.get(key);
    field.has_value() && field.boolean().unwrap_or_default()
}

/// A whole number.
pub(super) fn whole(field: &Field<'_>, range: RangeInclusive<i64>) -> Option<u64> {
    if field.has_value() { field.integer(range).map(i64::unsigned_abs) } else { None }
}

/// A number of MiB, in bytes.
pub(super) fn mib(field: &Field<'_>) -> Option<usize> {
    let bytes = whole(field, 1..=MAX_MIB)?.checked_mul(1 << 20)?;
    usize::try_from(bytes).ok()
}

/// A duration of `range`, in Go's form.
pub(super) fn duration(field: &Field<'_>, range: RangeInclusive<Duration>) -> Option<Duration> {
    let duration = field.go_duration()?;
    if !range.contains(&duration) {
        let (least, most) = range.into_inner();
        field.error(match most == MAX_TIME {
            true => format!("it is {duration:?}: at least {least:?} is accepted"),
            false => format!("it is {duration:?}: accepted is {least:?} to {most:?}"),
        });
        return None;
    }
    Some(duration)
}

/// A text that is not empty.
pub(super) fn text<'d>(field: &Field<'d>) -> Option<&'d str> {
    let text = field.string()?;
    if text.trim().is_empty() {
        field.error("the text is empty");
        return None;
    }
    Some(text)
}

/// The name of a receiver or a destination: a label of metrics, which stands in messages too.
pub(super) fn name<'d>(field: &Field<'d>) -> Option<&'d str> {
    let name = text(field)?;
    let is_letter =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/');
    if name.len() > MAX_NAME || !name.chars().all(is_letter) {
        field.error(format!(
            "accepted are 1 to {MAX_NAME} letters, digits and `_`, `-`, `.` or `/`"
        ));
        return None;
    }
    Some(name)
}

/// The path of a file or a directory.
pub(super) fn path(field: &Field<'_>) -> Option<PathBuf> {
    let text = text(field)?;
    if text.contains('\0') {
        return field.expected("a path");
    }
    Some(text.into())
}

/// The address of a listener: an IP address or `localhost`, and a port. Without a host, it is every address of the machine, as in Go.
pub(super) fn address(field: &Field<'_>) -> Option<SocketAddr> {
    let text = field.string()?.trim();
    let parsed = text.parse().ok().or_else(|| {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    });
    parsed.or_else(|| {
        field.expected("an IP address or `localhost`, and a port, such as `127.0.0.1:4317`,")
    })
}

/// Reports a key that changes nothing here.
pub(super) fn without_effect(mapping: &Mapping<'_>, keys: &[&str], reason: &str) {
    for key in keys {
        let field = mapping.get(key);
        if field.has_value() {
            field.warning(format!("it has no effect: {reason}"));
        }
    }
}

/// Reports a key that is not supported, with the reason.
pub(super) fn not_supported(mapping: &Mapping<'_>, keys: &[&str], reason: &str) {
    for key in keys {
        let field = mapping.get(key);
        if field.has_value() {
            field.error(format!("it is not supported: {reason}"));
        }
    }
}

/// Reports a boolean that is true, and is not supported so.
pub(super) fn not_supported_if_true(mapping: &Mapping<'_>, key: &str, reason: &str) {
    let field = mapping.get(key);
    if field.has_value() && field.boolean() == Some(true) {
        field.error(format!("it is not supported: {reason}"));
    }
}

/// The least timeout.
pub(super) const MIN_TIME: Duration = Duration::from_millis(1);
/// A century: longer than any timeout, and short enough to be added to an instant.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// Bytes of a name.
const MAX_NAME: usize = 64;
/// A pebibyte.
const MAX_MIB: i64 = 1 << 30;
