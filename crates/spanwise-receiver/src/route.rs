//! The route of a request, from its path, method and headers.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Version, request};

use crate::answer::Protocol;
use crate::refusal::Refusal;

/// The protocol of the response to a request, and the reason if the request is rejected.
pub(crate) struct Route {
    pub protocol: Protocol,
    pub refused: Option<Refusal>,
}

impl Route {
    pub fn of(head: &request::Parts) -> Self {
        let content_type = content_type(&head.headers);
        let speaks_grpc = content_type == "application/grpc"
            || content_type.starts_with("application/grpc+")
            || content_type.starts_with("application/grpc;");
        let (protocol, refused) = match head.uri.path() {
            HTTP_PATH => {
                // The answer has the type of the request.
                let is_json = content_type == "application/json";
                let protocol = if is_json { Protocol::HttpJson } else { Protocol::Http };
                let refused = match content_type.as_str() {
                    _ if head.method != Method::POST => Some(Refusal::Method),
                    "application/x-protobuf" | "application/json" => None,
                    _ => Some(Refusal::ContentType),
                };
                (protocol, refused)
            }
            // A client that does not speak gRPC gets the error in HTTP.
            GRPC_PATH if head.method != Method::POST => (Protocol::Http, Some(Refusal::Method)),
            GRPC_PATH if !speaks_grpc => (Protocol::Http, Some(Refusal::ContentType)),
            GRPC_PATH if head.version != Version::HTTP_2 => {
                (Protocol::Http, Some(Refusal::HttpVersion))
            }
            GRPC_PATH => (Protocol::Grpc, None),
            _ if speaks_grpc && head.version == Version::HTTP_2 => {
                (Protocol::Grpc, Some(Refusal::NotFound))
            }
            _ => (Protocol::Http, Some(Refusal::NotFound)),
        };
        Self { protocol, refused }
    }
}

/// The media type in lower case without parameters; empty if there is none or two.
fn content_type(headers: &HeaderMap) -> String {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return String::new() };
    let text = value.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

const HTTP_PATH: &str = "/v1/traces";
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal::*;
    use http::Request;

    fn route(method: &str, path: &str, content_type: &str, version: Version) -> Route {
        let mut request = Request::builder().method(method).uri(path).version(version);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        Route::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn each_request_has_its_route() {
        use Protocol::{Grpc, Http, HttpJson};
        const OTHER: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        let table = [
            ("POST", HTTP_PATH, "application/x-protobuf", Http, None),
            ("POST", HTTP_PATH, "application/x-protobuf; charset=x", Http, None),
            ("POST", HTTP_PATH, "Application/X-Protobuf", Http, None),
            ("POST", "/v1/traces?x=y", "application/x-protobuf", Http, None),
            ("GET", HTTP_PATH, "application/x-protobuf", Http, Some(Method)),
            ("POST", HTTP_PATH, "application/json", HttpJson, None),
            ("POST", HTTP_PATH, "Application/JSON; charset=utf-8", HttpJson, None),
            ("PUT", HTTP_PATH, "application/json", HttpJson, Some(Method)),
            ("POST", HTTP_PATH, "application/json-seq", Http, Some(ContentType)),
            ("POST", GRPC_PATH, "application/json", Http, Some(ContentType)),
            ("POST", HTTP_PATH, "application/grpc", Http, Some(ContentType)),
            ("POST", HTTP_PATH, "", Http, Some(ContentType)),
            ("POST", "/v1/metrics", "application/x-protobuf", Http, Some(NotFound)),
            ("POST", "/v1/traces/", "application/x-protobuf", Http, Some(NotFound)),
            ("POST", "/", "", Http, Some(NotFound)),
            ("POST", GRPC_PATH, "application/grpc", Grpc, None),
            ("POST", GRPC_PATH, "application/grpc+proto", Grpc, None),
            ("POST", GRPC_PATH, "application/grpcish", Http, Some(ContentType)),
            ("POST", GRPC_PATH, "application/x-protobuf", Http, Some(ContentType)),
            ("GET", GRPC_PATH, "application/grpc", Http, Some(Method)),
            ("POST", OTHER, "application/grpc", Grpc, Some(NotFound)),
        ];
        for (method, path, content_type, protocol, refused) in table {
            let route = route(method, path, content_type, Version::HTTP_2);
            assert_eq!((route.protocol, route.refused), (protocol, refused), "{method} {path}");
        }
        let old = route("POST", GRPC_PATH, "application/grpc", Version::HTTP_11);
        assert_eq!((old.protocol, old.refused), (Http, Some(HttpVersion)));
    }
}
