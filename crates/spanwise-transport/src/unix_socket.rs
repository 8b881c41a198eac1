//! Endpoints at Unix sockets: `unix:/path`, as gRPC names them.

use crate::endpoint_problem::{EndpointProblem, MAX_SOCKET_PATH};

/// The path in `unix:/path` or `unix:///path`; `None` if `url` has another scheme.
pub(crate) fn path_of(url: &str) -> Option<Result<&str, EndpointProblem>> {
    let (scheme, path) = url.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("unix") {
        return None;
    }
    Some(check(path.strip_prefix("//").unwrap_or(path)))
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
