//! Endpoints at Unix sockets: `unix:/path`, as gRPC names them.

use crate::endpoint_problem::{EndpointProblem, MAX_SOCKET_PATH};
use crate::{text, url};

/// The path in `unix:/path` or `unix:///path`; `None` if `url` has another scheme.
pub(crate) fn path_of(url: &str) -> Option<Result<&str, EndpointProblem>> {
    let (scheme, path) = url.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("unix") {
        return None;
    }
    Some(check(path.strip_prefix("//").unwrap_or(path)))
}

/// A `unix:` URL as errors show it; `None` if `url` has another scheme.
///
/// The `@` of an abstract socket, or of a path, follows no user info.
pub(crate) fn shown(url: &str) -> Option<String> {
    let (scheme, path) = url.trim().split_once(':')?;
    if !scheme.eq_ignore_ascii_case("unix") {
        return None;
    }
    let (at, path) = path.strip_prefix('@').map_or(("", path), |name| ("@", name));
    let is_path = path.starts_with('/') && !path.contains(['?', '#']);
    let path = if is_path { text::sanitize(path) } else { url::redacted(path) };
    Some(format!("unix:{at}{path}"))
}

fn check(path: &str) -> Result<&str, EndpointProblem> {
    if cfg!(not(unix)) {
        return Err(EndpointProblem::NoUnixSockets);
    }
    if path.chars().any(char::is_control) {
        return Err(EndpointProblem::Control);
    }
    // A relative path would depend on the directory that the process is in.
    if !path.starts_with('/') || path.ends_with('/') || path.len() > MAX_SOCKET_PATH {
        return Err(EndpointProblem::SocketPath);
    }
    Ok(path)
}
