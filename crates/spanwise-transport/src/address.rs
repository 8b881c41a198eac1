//! The address of a request in HTTP/1.1.

use http::header::HOST;
#[cfg(feature = "proxy")]
use http::header::PROXY_AUTHORIZATION;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};

use crate::target::Target;

/// Addresses `request` to `uri` over a connection to `target`: in absolute form, with the credentials, to a
/// proxy that forwards it (RFC 9112, 3.2.2).
pub(crate) fn address<B>(request: &mut Request<B>, uri: &Uri, target: &Target) {
    address_origin(request, uri);
    #[cfg(feature = "proxy")]
    if let Some(proxy) = target.forwarding_proxy() {
        *request.uri_mut() = uri.clone();
        if let Some(authorization) = proxy.authorization() {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }
    let _ = target;
}

/// Addresses `request` to `target`: its path and query, and its authority as the `Host` (RFC 9112,
/// 3.2.1 and 3.2), unless the caller's headers hold one.
fn address_origin<B>(request: &mut Request<B>, target: &Uri) {
    let path = target.path_and_query().cloned();
    *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    let host = target.host().unwrap_or_default();
    let default = if target.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = match target.port_u16() {
        Some(port) if port != default => HeaderValue::try_from(format!("{host}:{port}")),
        _ => HeaderValue::try_from(host),
    };
    if let Ok(host) = host {
        request.headers_mut().entry(HOST).or_insert(host);
    }
}
